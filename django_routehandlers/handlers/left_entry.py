"""Hand the entry that answered a request from its view to the tools that tell of it."""

from django.http import HttpRequest

from django_routehandlers.caching.entries import Entry


def leave_entry(request: HttpRequest, entry: Entry) -> None:
    """Leave the entry that answers *request*, or that its run has made."""
    vars(request)["route_cache_entry"] = entry


def entry_of(request: HttpRequest) -> Entry | None:
    """Return the entry that answered *request*, or that its run has made; ``None`` where there was none."""
    return getattr(request, "route_cache_entry", None)
