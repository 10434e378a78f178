"""
The route cache: what is kept of responses and results, for how long, and what ends that sooner.

The names below are imported on first use, so that importing this package needs no ready app registry.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_routehandlers.caching.invalidation import revalidate_all
    from django_routehandlers.caching.statistics import stats
    from django_routehandlers.caching.stores import StoreError

__all__ = ["StoreError", "revalidate_all", "stats"]


def __getattr__(name: str) -> object:
    match name:
        case "StoreError":
            module = "django_routehandlers.caching.stores"
        case "revalidate_all":
            module = "django_routehandlers.caching.invalidation"
        case "stats":
            module = "django_routehandlers.caching.statistics"
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
