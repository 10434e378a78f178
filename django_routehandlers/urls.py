"""The routes as a URLconf: ``path("", include("django_routehandlers.urls"))``."""

from django_routehandlers.routing.patterns import RouteResolver
from django_routehandlers.table import current_table

app_name = "routes"
urlpatterns = [RouteResolver(current_table)]
