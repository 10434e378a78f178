"""
The explorer as a URLconf of its own, for projects in which a catch-all has every URL.

``path("_routes/", include("django_routehandlers.explorer.urls"))``, before the routes. Who is shown it stays as it is.
"""

from django_routehandlers.explorer.resolver import patterns

app_name = "explorer"
urlpatterns = patterns("")
