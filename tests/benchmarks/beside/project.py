"""Make a Django project, the same for all frameworks that are made of Django."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django_middleware import DEFAULT_MIDDLEWARE
from engine_apps import POSTGRESQL_PASSWORD, POSTGRESQL_PORT, POSTGRESQL_USER

POOL: dict[str, Any] = {"OPTIONS": {"pool": {"min_size": 4, "max_size": 32}}}
"""What Django's documentation advises under ASGI."""
KEPT: dict[str, Any] = {"CONN_MAX_AGE": 600}
"""Connections that their threads keep."""


def database(connections: dict[str, Any]) -> dict[str, Any]:
    """Return the setting for the database: PostgreSQL, where it runs."""
    if POSTGRESQL_PORT not in os.environ:
        return {"ENGINE": "django.db.backends.dummy"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": POSTGRESQL_USER,
        "PASSWORD": POSTGRESQL_PASSWORD,
        "HOST": "127.0.0.1",
        "PORT": os.environ[POSTGRESQL_PORT],
        **connections,
    }


def url() -> str:
    """Return the same for those who are not made of Django."""
    server = f"127.0.0.1:{os.environ.get(POSTGRESQL_PORT, '1')}"
    return f"postgresql://{POSTGRESQL_USER}:{POSTGRESQL_PASSWORD}@{server}/postgres"


def set_up(
    middleware: int,
    connections: dict[str, Any],
    patterns: Callable[[], list[Any]],
    apps: Iterable[str] = (),
    first: Iterable[str] = (),
    **extra: Any,
) -> None:
    """
    Make the project.

    Args:
        middleware: 7, those of ``startproject``, or 0.
        connections: ``POOL`` or ``KEPT``.
        patterns: Returns the URLconf once the apps are ready.
        first: Middleware that comes before the seven.
    """
    import django
    from django.conf import settings

    needed = [f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions", "messages")]
    settings.configure(
        INSTALLED_APPS=[*needed, *apps, "beside.shop"],
        DATABASES={"default": database(connections)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=[*first, *DEFAULT_MIDDLEWARE] if middleware else [],
        ROOT_URLCONF="beside_urls",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of no use",
        **extra,
    )
    django.setup()
    sys.modules["beside_urls"] = urls = type(sys)("beside_urls")
    urls.urlpatterns = patterns()  # type: ignore[attr-defined]


def columns() -> Any:
    """Return the queryset that all ask: the rows as dicts."""
    from beside.shop.models import Product

    return Product.objects.values("id", "name", "price", "stock").order_by("id")
