"""Put the fields that say how long a route is served around all that answers it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.policies.lifecycle import Fields, moment

View = Callable[..., Any]
Wrong = Callable[[object], tuple[str, str] | None]


def wrong_moment(name: str) -> Wrong:
    """Return what says what is wrong with a value of *name*, and the remedy; ``None`` where nothing is."""

    def wrong(value: object) -> tuple[str, str] | None:
        if value is None or moment(value) is not None:
            return None
        what = f"{name} is {value!r}. It is a date, a datetime with a time zone, or None."
        return what, f"Write `{name} = date(2027, 1, 31)`, or name it `_{name}` if it is yours."

    return wrong


def with_fields(view: View, fields: Fields) -> View:
    """Return *view* with *fields* on its responses, but for those that say something else; sync or async as it is."""
    if not fields:
        return view

    def add(response: HttpResponseBase) -> HttpResponseBase:
        for name, value in fields:
            response.headers.setdefault(name, value)
        return response

    async def aview(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add(await view(request, **segments))

    def sync_view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add(view(request, **segments))

    return aview if is_coroutine_function(view) else sync_view
