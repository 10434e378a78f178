"""
Ask routes as a page in a browser does, from an origin of its own: with the fields that scripts cannot set.

Source: Fetch (``Origin``), Fetch Metadata (``Sec-Fetch-*``), Referrer Policy. A browser sends the fields of
Fetch Metadata to trustworthy URLs alone: https, and the machine itself.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django_routehandlers.testing.clients import AsyncRouteClient, RouteClient
from django_routehandlers.testing.cross_origin import checked_origin

_PORTS = {"http": 80, "https": 443}


def browser_fields(origin: str, target: str, method: str) -> Mapping[str, str]:
    """
    Return the fields that a browser adds to a ``fetch()`` of a page.

    Args:
        origin: Of the page, ``https://app.example.com``; ``"null"`` for a frame that is in a sandbox.
        target: Of the request, ``https://api.example.com``.
    """
    fields: dict[str, str] = {}
    page, asked = urlsplit(origin), urlsplit(target)
    site = _site(page, asked)
    if site != "same-origin" or method not in ("GET", "HEAD"):
        fields["Origin"] = origin
    # strict-origin-when-cross-origin: no word of an https page to an http one.
    if page.hostname and not (page.scheme == "https" and asked.scheme == "http"):
        fields["Referer"] = f"{origin}/"
    if asked.scheme == "https" or _is_this_machine(asked.hostname or ""):
        fields |= {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    return fields


class _Page:
    """What both clients have: the page that they stand for, and its fields on each request."""

    def __init__(self, origin: str | None = None, *, host: str = "testserver", **defaults: Any) -> None:
        defaults.setdefault("enforce_csrf_checks", True)
        super().__init__(**defaults)
        self.origin = f"https://{host}" if origin is None else checked_origin(origin)
        self.host = host

    def generic(
        self,
        method: str,
        path: Any,
        data: Any = "",
        content_type: str | None = None,
        secure: bool = False,
        **options: Any,
    ) -> Any:
        """Send a request of any method. https, unless the page itself came by http: a browser refuses to mix them."""
        secure = secure or not self.origin.startswith("http://")
        target = f"{'https' if secure else 'http'}://{self.host}"
        given: Mapping[str, str] = options.pop("headers", None) or {}
        named = {name.lower() for name in given}
        added = {"Host": self.host, **browser_fields(self.origin, target, method)}
        headers = {**{name: value for name, value in added.items() if name.lower() not in named}, **given}
        django: Any = super()
        return django.generic(
            method, path, data, content_type or "application/octet-stream", secure, headers=headers, **options
        )


class BrowserClient(_Page, RouteClient):
    """
    A ``RouteClient`` that sends what a browser sends from a page, and that is asked for CSRF tokens.

    What a test sets in ``headers=`` stands. The client's cookies go along, as those do that are
    ``SameSite=None`` where the page asks for ``credentials: "include"``: the worst that a page can do.

    Args:
        origin: Of the page; ``None``: the site's own.
        host: That the site is asked by.
        defaults: As of Django's ``Client``.
    """


class AsyncBrowserClient(_Page, AsyncRouteClient):
    """As ``BrowserClient``, in async code."""

    async def request(self, **request: Any) -> Any:
        """Send what one of the methods has made, and return the response."""
        fields: list[tuple[bytes, bytes]] = request["headers"]
        # Django writes a host of its own, beside the one that is asked for.
        own = fields.index((b"host", b"testserver"))
        return await super().request(**{**request, "headers": [*fields[:own], *fields[own + 1 :]]})


def _site(page: SplitResult, asked: SplitResult) -> str:
    if not page.hostname or page.scheme != asked.scheme:
        return "cross-site"
    if (page.hostname, _port(page)) == (asked.hostname, _port(asked)):
        return "same-origin"
    return "same-site" if _domain(page.hostname) == _domain(asked.hostname or "") else "cross-site"


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def _domain(host: str) -> str:
    # The list of public suffixes is not here: the last two labels stand for what can be registered.
    return host if _is_address(host) else ".".join(host.split(".")[-2:])


def _is_this_machine(host: str) -> bool:
    return ip_address(host).is_loopback if _is_address(host) else host.rpartition(".")[2] == "localhost"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
