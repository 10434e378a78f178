"""
Turn a response into what is kept of it, or say why nothing may be; and that back into a response.

What is kept is status, fields and body: never a response object, which middleware changes, nor a
cookie, which is for one client.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from http.cookies import SimpleCookie
from typing import Any, cast

import orjson
from django.http import HttpResponse
from django.http.response import HttpResponseBase, ResponseHeaders
from django.utils.cache import patch_vary_headers

from django_routehandlers.caching.steps import Made
from django_routehandlers.policies.cache_control import parse_cache_control, vary_names
from django_routehandlers.policies.outcome import CacheOutcome

# Of one connection or one moment (RFC 9110, section 7.6.1; RFC 9111, section 3.1), or of one client.
_NOT_KEPT = frozenset(
    {
        "age",
        "cache-status",
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class StoredResponse:
    """What is kept of a response, ready to be sent again."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.reason, self.headers, self.body = status, reason, headers, body
        self.told: CacheOutcome | None = None
        """What is said of the responses of one age, in whole seconds."""
        template = self._built()
        self._parts = vars(template)
        self._fields: dict[str, tuple[str, str]] = vars(template.headers)["_store"] if _is_copied_by_parts() else {}

    def encode(self) -> bytes:
        """Return the bytes of an entry."""
        head = orjson.dumps([self.status, self.reason, list(self.headers.items())])
        return len(head).to_bytes(4, "big") + head + self.body

    @classmethod
    def decode(cls, value: bytes) -> "StoredResponse":
        """Return what ``encode()`` made bytes of."""
        end = 4 + int.from_bytes(value[:4], "big")
        status, reason, headers = cast("list[Any]", orjson.loads(value[4:end]))
        return cls(status, reason, dict(cast("list[tuple[str, str]]", headers)), value[end:])

    def response(self) -> HttpResponse:
        """Return a response of its own for one client."""
        if not _is_copied_by_parts():
            return self._built()
        # Django's constructor checks and converts each field, which it has done when the template was made.
        response = HttpResponse.__new__(HttpResponse)
        headers = ResponseHeaders.__new__(ResponseHeaders)
        vars(headers)["_store"] = self._fields.copy()
        vars(response).update(
            self._parts,
            headers=headers,
            cookies=SimpleCookie(),
            _container=[self.body],
            _resource_closers=[],
        )
        return response

    def _built(self) -> HttpResponse:
        response = HttpResponse(self.body, status=self.status, headers=self.headers)
        if response.reason_phrase != self.reason:
            response.reason_phrase = self.reason
        return response


@lru_cache(maxsize=1)
def _is_copied_by_parts() -> bool:
    """Return whether a response of this Django has no changeable parts but those that are copied."""
    state: dict[str, Any] = vars(HttpResponse(b""))
    parts = {name for name, value in state.items() if not isinstance(value, str | int | bytes | None)}
    fields = list(vars(cast("ResponseHeaders", state["headers"])))
    return parts == {"headers", "cookies", "_container", "_resource_closers"} and fields == ["_store"]


def keep_response(response: HttpResponseBase, fields: tuple[str, ...]) -> Made:
    """
    Return what a run has made, with what may be kept of it.

    The response gets an entity tag and ``Vary``, as those have that are made of the entry.

    Args:
        fields: Fields of the request that are part of the key.
    """
    why_not, lifetime = _judge(response, fields)
    if why_not is not None:
        return Made(response, None, why_not)
    whole = cast("HttpResponse", response)
    if fields:
        patch_vary_headers(whole, fields)
    if not whole.has_header("ETag"):
        whole.headers["ETag"] = f'"{hashlib.blake2b(whole.content, digest_size=16).hexdigest()}"'
    kept = {name: value for name, value in whole.headers.items() if name.lower() not in _NOT_KEPT}
    stored = StoredResponse(whole.status_code, whole.reason_phrase, kept, whole.content)
    return Made(response, stored.encode(), lifetime=lifetime, decoded=stored)


def _judge(response: HttpResponseBase, fields: tuple[str, ...]) -> tuple[str | None, float | None]:
    """Return why nothing of a response may be kept, in a word, and the lifetime that it states."""
    if response.streaming or not isinstance(response, HttpResponse):
        return "stream", None
    if not getattr(response, "is_rendered", True):
        return "unrendered", None
    control = parse_cache_control(response.headers.get("Cache-Control", ""))
    lifetime = control.freshness_lifetime()
    if response.status_code != 200 and not (response.status_code in (301, 308) and lifetime):
        return "error" if response.status_code >= 500 else "status", None
    if response.cookies or response.has_header("Set-Cookie"):
        return "cookie", None
    if control.forbids_storing:
        return "cache-control", None
    names = vary_names(response.headers.get("Vary", ""))
    if names is None or not names <= {field.lower() for field in fields}:
        return "vary", None
    return None, lifetime
