import os

from django.shortcuts import render

from .models import Visit


def root(request):
    Visit.objects.create()
    context = {"greeting": os.environ.get("GREETING", "hello"), "visits": Visit.objects.count()}
    return render(request, "root.html", context)
