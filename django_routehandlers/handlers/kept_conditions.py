"""
Hold what the cache has, or has just been given, to the state that a request says it is based on.

A GET that is not kept is judged before its handler runs. What is kept is judged here, by the fields that it has,
and not by a middleware: whether the project has that one must not decide between 200 and 412.
"""

from dataclasses import replace

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.policies.outcome import CacheOutcome, leave_content, leave_outcome
from django_routehandlers.policies.preconditions import CHANGED, is_unchanged, note_judged
from django_routehandlers.responses.problems import ProblemResponse


def held_to_conditions(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return *response*, or the 412 in its place (RFC 9110, sections 13.1.1, 13.1.4 and 13.2)."""
    # Twice a look into a dict: nearly every request has neither.
    if "HTTP_IF_MATCH" not in request.META and "HTTP_IF_UNMODIFIED_SINCE" not in request.META:
        return response
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    # Of any other answer the conditions do not count (section 13.2.1).
    if etag is None or response.streaming or response.status_code != 200:
        return response
    if is_unchanged(request.META, etag, modified):
        note_judged(response)
        return response
    fields = {"ETag": etag, "Last-Modified": modified, "Vary": response.headers.get("Vary")}
    said = {name: value for name, value in fields.items() if value is not None}
    refusal = ProblemResponse(412, detail=CHANGED, headers=said)
    outcome: CacheOutcome = vars(response)["route_cache"]
    leave_outcome(request, refusal, replace(outcome, age=None).for_one_client)
    # The tag is that of the entry, whose content this is not.
    leave_content(request, None)
    return refusal
