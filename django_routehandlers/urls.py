"""The routes and their OpenAPI document as a URLconf: ``path("", include("django_routehandlers.urls"))``."""

from django_routehandlers.openapi.resolver import PublishedRoutes
from django_routehandlers.table import current_table

app_name = "routes"
urlpatterns = [PublishedRoutes(current_table)]
