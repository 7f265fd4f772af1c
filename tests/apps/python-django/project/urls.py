from django.urls import path
from visits.views import root

urlpatterns = [path("", root)]
