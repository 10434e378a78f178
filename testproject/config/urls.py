"""The admin, and below it every route of every app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("django_routehandlers.urls")),
]
