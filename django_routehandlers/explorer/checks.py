"""Turn what keeps the explorer from being shown into messages of Django's system check framework."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from django_routehandlers.checks import TAG, names_a
from django_routehandlers.conf import SETTING, Config, get_config
from django_routehandlers.explorer.pages import assets
from django_routehandlers.explorer.resolver import is_on
from django_routehandlers.openapi.paths import is_path
from django_routehandlers.table import current_table

_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
_HINT = (
    "Write another path, or None. Where a catch-all has every URL, put "
    '`path("_routes/", include("django_routehandlers.explorer.urls"))` before the routes.'
)


def check_explorer(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report a path that is none, or that is taken, and a page that nobody can be shown."""
    config = get_config()
    path = config.EXPLORER_PATH
    if path is None:
        return []
    if not path.endswith("/") or not is_path(path[:-1]):
        what = f"{path!r} is no path of the form that is needed: segments joined by slashes, one at the end."
        where = f"{SETTING}['EXPLORER_PATH']"
        return [Error(f"{where}: {what}", hint='Write "_routes/", or None.', id=f"{TAG}.E140")]
    return [*_taken(path, config), *_unseen(config)] if is_on(config, debug=settings.DEBUG) else []


def _taken(path: str, config: Config) -> Iterator[CheckMessage]:
    others = {config.OPENAPI_PATH: "OPENAPI_PATH", config.OPENAPI_UI_PATH: "OPENAPI_UI_PATH"}
    table = current_table()
    for name in ("", *assets()):
        url = f"{path}{name}"
        found = table.match(url)
        if found is not None:
            by = f"the route {found[0].route.id} ({found[0].route.file})"
        elif url in others:
            by = f"{SETTING}[{others[url]!r}]"
        else:
            continue
        what = f"/{url} is answered by {by}, so the page that explores the routes is not shown."
        yield Warning(f"{SETTING}['EXPLORER_PATH']: {what}", hint=_HINT, id=f"{TAG}.W140")
        return


def _unseen(config: Config) -> Iterator[CheckMessage]:
    if not config.EXPLORER:
        return
    if not apps.is_installed("django.contrib.auth") or not any(
        names_a(path, import_string(_AUTHENTICATION)) for path in settings.MIDDLEWARE
    ):
        what = "is on, but no middleware says who is logged in, so without DEBUG nobody is shown the page."
        hint = f'Add "{_AUTHENTICATION}" to MIDDLEWARE, or remove the setting.'
        yield Warning(f"{SETTING}['EXPLORER']: {what}", hint=hint, id=f"{TAG}.W141")
