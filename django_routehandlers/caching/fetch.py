"""
Turn a URL into the response of another server, fetched or kept.

What is kept is for everybody who sends the same fields: what the other server keeps for one
client, or from caches at all, is fetched each time.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.core.exceptions import ImproperlyConfigured

from django_routehandlers.caching.current import is_enabled
from django_routehandlers.caching.driving import AMake
from django_routehandlers.caching.results import (
    Call,
    Revalidate,
    Unreadable,
    aresult_of,
    check_revalidate,
    check_tags,
    lifetime_of,
)
from django_routehandlers.caching.steps import Made, Terms
from django_routehandlers.caching.tags import made_tag
from django_routehandlers.documentation import Section, documented
from django_routehandlers.policies.cache_control import LONGEST, parse_cache_control, vary_names

if TYPE_CHECKING:
    import httpx2

_SECTION = Section("how-to/cached-functions-and-fetch", "Fetch from another service")

_FORMAT = "1"
# Of one connection (RFC 9110, section 7.6.1), of the form in which the body came, of one client, or of one moment.
_NOT_KEPT = frozenset(
    {
        "age",
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "set-cookie",
        "set-cookie2",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


async def fetch(
    url: "str | httpx2.URL",
    *,
    revalidate: Revalidate = None,
    tags: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109 - it is handed to httpx2, which counts it for each wait
) -> "httpx2.Response":
    """
    Return the response to a GET of *url*, which is kept by the URL and all of *headers*.

    Kept is a 200 that the server lets caches keep (no ``no-store``, ``private``, ``no-cache`` or
    ``Vary: *``), without cookies, for as long as both *revalidate* and the server say. Redirects are
    followed. What fetches while it is filled is kept no longer than the response, and not at all
    where the response is not.

    Args:
        url: With ``http`` or ``https``. Its fragment is not looked at.
        revalidate: Seconds; ``False`` until it is invalidated, ``0`` never, ``None`` for ``DEFAULT_REVALIDATE``.
        tags: Names for ``revalidate_tag()``.
        headers: Fields to send.
        timeout: Seconds to wait for a connection, and for each part of the response.

    Returns:
        A response that is read to its end, each caller's own. One that is kept has no ``Age`` and no ``history``.

    Raises:
        httpx2.HTTPError: The server cannot be reached, or does not answer in time. Nothing is kept.
        ImproperlyConfigured: httpx2 is not installed.
        ValueError: *url* or *revalidate* is wrong.
        TypeError: *tags* are wrong.

    Source: https://nextjs.org/docs/app/api-reference/functions/fetch
    """
    return await _fetched(_target(url), revalidate, tags, _httpx2().Headers(headers), timeout)


async def _fetched(
    url: "httpx2.URL", revalidate: Revalidate, tags: Sequence[str], fields: "httpx2.Headers", seconds: float
) -> "httpx2.Response":
    where = f"fetch({url!r})"
    check_revalidate(revalidate, where)
    lifetime = lifetime_of(revalidate)
    names = check_tags(tags, where)
    terms = Terms(lifetime, tuple(map(made_tag, names)), follows_tables=False, names=names)
    key = ("fetch", _FORMAT, str(url), _fields_key(fields)) if is_enabled() and lifetime != 0 else None

    def prepare() -> tuple[Terms, AMake]:
        async def make() -> Made:
            return _judged(await _get(url, fields, seconds))

        return terms, make

    # What the project sees of a request changes nothing of what is sent.
    return await aresult_of(Call(key, (), _read), prepare)


async def _get(url: "httpx2.URL", fields: "httpx2.Headers", seconds: float) -> "httpx2.Response":
    context = await asyncio.to_thread(_ssl_context)
    # Connections belong to an event loop, and there may be several.
    client = _httpx2().AsyncClient(verify=context, follow_redirects=True, timeout=seconds)
    async with client:
        return await client.get(url, headers=fields)


def _judged(response: "httpx2.Response") -> Made:
    why_not, lifetime = _judge(response)
    if why_not is not None:
        return Made(response, None, why_not)
    value = _written(response)
    return Made(_read(value), value, lifetime=lifetime)


def _judge(response: "httpx2.Response") -> tuple[str | None, float | None]:
    """Return why nothing of a response may be kept, in a word, and the lifetime that it states."""
    if response.status_code != 200:
        return "status", None
    lifetimes: list[int] = []
    # What a redirect says of itself holds for where it leads, too.
    for one in (*response.history, response):
        control = parse_cache_control(one.headers.get("Cache-Control", ""))
        if control.forbids_storing:
            return "cache-control", None
        if vary_names(one.headers.get("Vary", "")) is None:
            return "vary", None
        if (stated := control.freshness_lifetime()) is not None:
            lifetimes.append(max(0, stated - _age(one.headers.get("Age", ""))))
    return None, min(lifetimes, default=None)


def _age(field: str) -> int:
    """Return the seconds that an ``Age`` field states, of several the first (RFC 9111, section 5.1)."""
    digits = field.partition(",")[0].strip()
    if not (digits.isascii() and digits.isdigit()):
        return 0
    return int(digits) if len(digits) <= len(str(LONGEST)) else LONGEST


def _written(response: "httpx2.Response") -> bytes:
    named = {name.strip().lower() for name in response.headers.get("Connection", "").split(",")}
    fields = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.headers.raw
        if (lower := name.decode("latin-1").lower()) not in _NOT_KEPT and lower not in named
    ]
    head = orjson.dumps([str(response.url), fields])
    return len(head).to_bytes(4, "big") + head + response.content


def _read(value: bytes) -> "httpx2.Response":
    end = 4 + int.from_bytes(value[:4], "big")
    try:
        url, fields = cast("tuple[str, list[tuple[str, str]]]", orjson.loads(value[4:end]))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    client = _httpx2()
    raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in fields]
    return client.Response(200, headers=raw, content=value[end:], request=client.Request("GET", url))


def _target(url: "str | httpx2.URL") -> "httpx2.URL":
    client = _httpx2()
    try:
        target = client.URL(url).copy_with(fragment=None)
    except client.InvalidURL as error:
        raise documented(ValueError(f"fetch(): {url!r} is no URL: {error}."), _SECTION) from error
    if target.scheme not in ("http", "https") or not target.host:
        raise documented(
            ValueError(
                f"fetch(): {target!r} is no URL that can be fetched. It begins with http:// or https:// and a host."
            ),
            _SECTION,
        )
    return target


def _fields_key(fields: "httpx2.Headers") -> tuple[tuple[bytes, bytes], ...]:
    # Among fields of one name the order counts (RFC 9110, section 5.3): sorting keeps it.
    return tuple(sorted(((name.lower(), value) for name, value in fields.raw), key=lambda field: field[0]))


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """Return what checks certificates, for every fetch: to make it takes 35 ms."""
    return _httpx2().create_ssl_context()


@lru_cache(maxsize=1)
def _httpx2() -> Any:
    try:
        return import_module("httpx2")
    except ModuleNotFoundError as error:
        raise documented(
            ImproperlyConfigured(
                'fetch() needs httpx2, which is not installed: pip install "django-routehandlers[fetch]"'
            ),
            _SECTION,
        ) from error
