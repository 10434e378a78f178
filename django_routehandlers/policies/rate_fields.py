"""Hand what a client is told of its limits from the view of a route to whoever answers in its place."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.policies.outcome import withdraw
from django_routehandlers.policies.throttle import Fields


def leave_rate_fields(request: HttpRequest, fields: Fields) -> None:
    """Leave what the client of *request* is to be told."""
    vars(request)["rate_fields"] = fields


def take_over_rate_fields(request: HttpRequest, other: HttpRequest) -> None:
    """Leave what the client of *other* is to be told, which is the request that a layer has passed on, if anything."""
    if other is not request and "rate_fields" in vars(other):
        vars(request)["rate_fields"] = vars(other)["rate_fields"]


def add_rate_fields(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return *response* with what the client of *request* is told of its limits, if anything."""
    fields: Fields = vars(request).get("rate_fields", ())
    for name, value in fields:
        # Of an answer that stands in the place of a refusal there is nothing to wait for.
        if name != "Retry-After" or response.status_code == 429:
            response.headers[name] = value
    if fields:
        # They are true of nobody else.
        withdraw(response)
    return response
