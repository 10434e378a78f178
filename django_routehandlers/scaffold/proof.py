"""Turn a route file that was just written into what the project serves for it, or say why it would not."""

from django_routehandlers.conf import get_config
from django_routehandlers.routing.discovery import RouteTree
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.url_patterns import Served
from django_routehandlers.scaffold.errors import CannotStart
from django_routehandlers.table import app_config, build_table


def prove_route(route: Route) -> Served:
    """
    Import the file of *route* and return it as it is served.

    Raises:
        CannotStart: It is not found where it was written, or a check has something to say of it.
    """
    tree = app_config().discover()
    found = tuple(one for one in tree.routes if one.file == route.file)
    table = build_table(RouteTree(found), get_config())
    if len(table.served) == 1 and not table.mistakes:
        return table.served[0]
    reasons = "\n".join(map(str, table.mistakes or tree.mistakes)) or "Its folder is not looked at."
    raise CannotStart(f"{route.file}: the file would not be served, and was removed again.\n{reasons}")
