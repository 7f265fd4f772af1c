SECRET_KEY = "for the fixture"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
