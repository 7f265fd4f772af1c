import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# A secret of its own for each installation belongs into the config var SECRET_KEY.
SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-trying")
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["django.contrib.staticfiles", "visits"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "whitenoise.middleware.WhiteNoiseMiddleware"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

# On a volume (DATABASE_PATH) it outlives a release, and the release task is what migrates it; without one each container
# has a database of its own, which is made when it starts.
DATABASE = Path(os.environ.get("DATABASE_PATH", BASE_DIR / "database.sqlite3"))
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": {"timeout": 10}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
TIME_ZONE = "UTC"
USE_TZ = True
