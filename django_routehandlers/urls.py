"""The routes, their OpenAPI document and their explorer: ``path("", include("django_routehandlers.urls"))``."""

from django_routehandlers.explorer.resolver import ExplorerPages
from django_routehandlers.openapi.resolver import PublishedRoutes
from django_routehandlers.table import current_table

app_name = "routes"
# Behind the routes, so that the explorer takes no URL from them.
urlpatterns = [PublishedRoutes(current_table), ExplorerPages()]
