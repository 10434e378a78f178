"""
Ask routes in tests with Django's own clients: JSON in, typed results out, by path or by URL name.

All that a ``Client`` and an ``AsyncClient`` have is there: cookies, ``force_login()``, ``headers=``,
``follow=``, and the exceptions of handlers, which are raised in the test.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from typing import Any, Final, Generic, TypeVar

from django.test import AsyncClient, Client
from django.test.client import MULTIPART_CONTENT
from django.urls import reverse

from django_routehandlers.documentation import Section, documented
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.testing.replies import AsyncRouteResponse, RouteResponse, extended

_SECTION = Section("reference/testing", "Clients")

_Answer = TypeVar("_Answer")
_BYTES = "application/octet-stream"


class _Nothing:
    """Stands for content that is not given: ``None`` is JSON."""


_NOTHING: Final = _Nothing()


class _Requests(Generic[_Answer]):
    """The requests of both clients. What differs is what their base makes of them: a response, or one to await."""

    def get(
        self,
        path: str,
        data: Any = None,
        follow: bool = False,
        secure: bool = False,
        *,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """
        Send a GET. See Django's ``Client.get()``.

        Args:
            path: A path, or the URL name of a route: what begins with ``/`` is a path.
            params: The values of a route's segments, where *path* is its name.
        """
        django: Any = super()
        return django.get(url_of(path, params), data, follow, secure, **options)

    def head(
        self,
        path: str,
        data: Any = None,
        follow: bool = False,
        secure: bool = False,
        *,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """Send a HEAD. See ``get()``."""
        django: Any = super()
        return django.head(url_of(path, params), data, follow, secure, **options)

    def post(
        self,
        path: str,
        data: Any = None,
        content_type: str = MULTIPART_CONTENT,
        follow: bool = False,
        secure: bool = False,
        *,
        json: Any = _NOTHING,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """
        Send a POST. See ``get()``, and Django's ``Client.post()``.

        Args:
            json: What is sent as JSON, in the place of *data*: a model, a dataclass, or any other value that
                a handler may return.
        """
        django: Any = super()
        return django.post(url_of(path, params), *_content(data, content_type, json), follow, secure, **options)

    def put(
        self,
        path: str,
        data: Any = "",
        content_type: str = _BYTES,
        follow: bool = False,
        secure: bool = False,
        *,
        json: Any = _NOTHING,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """Send a PUT. See ``post()``."""
        django: Any = super()
        return django.put(url_of(path, params), *_content(data, content_type, json), follow, secure, **options)

    def patch(
        self,
        path: str,
        data: Any = "",
        content_type: str = _BYTES,
        follow: bool = False,
        secure: bool = False,
        *,
        json: Any = _NOTHING,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """Send a PATCH. See ``post()``."""
        django: Any = super()
        return django.patch(url_of(path, params), *_content(data, content_type, json), follow, secure, **options)

    def delete(
        self,
        path: str,
        data: Any = "",
        content_type: str = _BYTES,
        follow: bool = False,
        secure: bool = False,
        *,
        json: Any = _NOTHING,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """Send a DELETE. See ``post()``."""
        django: Any = super()
        return django.delete(url_of(path, params), *_content(data, content_type, json), follow, secure, **options)

    def options(
        self,
        path: str,
        data: Any = "",
        content_type: str = _BYTES,
        follow: bool = False,
        secure: bool = False,
        *,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """Send an OPTIONS. See ``get()``."""
        django: Any = super()
        return django.options(url_of(path, params), data, content_type, follow, secure, **options)

    def preflight(
        self,
        path: str,
        *,
        origin: str,
        method: str = "GET",
        request_headers: Iterable[str] = (),
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """
        Send the OPTIONS with which a browser asks whether a page may send a request. Source: Fetch, section 4.8.

        Args:
            origin: Of the page.
            method: Of the request that would follow.
            request_headers: Names of the fields that the page would set.
        """
        # Sorted and in lower case, as Fetch has it.
        names = ",".join(sorted(name.lower() for name in request_headers))
        fields = {"Origin": origin, "Access-Control-Request-Method": method}
        if names:
            fields["Access-Control-Request-Headers"] = names
        return self.options(path, params=params, headers={**fields, **(options.pop("headers", None) or {})}, **options)


class RouteClient(_Requests[RouteResponse], Client):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Django's ``Client``, with ``json=`` and ``params=``, and with responses that have ``parse()`` and its kin."""

    def request(self, **request: Any) -> Any:
        """Send what one of the methods has made, and return the response."""
        return extended(super().request(**request), RouteResponse)


_Kind = TypeVar("_Kind", bound=type)


def _awaited(kind: _Kind) -> _Kind:
    """Make coroutine functions of the methods of ``_Requests``, as which ``async_to_sync()`` and its kin know them."""
    for name, method in vars(_Requests).items():
        if not name.startswith("_"):
            setattr(kind, name, _coroutine_function(method))
    return kind


def _coroutine_function(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    async def send(*args: Any, **kwargs: Any) -> Any:
        return await method(*args, **kwargs)

    return send


@_awaited
class AsyncRouteClient(  # pyright: ignore[reportIncompatibleMethodOverride]
    _Requests[Coroutine[Any, Any, AsyncRouteResponse]], AsyncClient
):
    """Django's ``AsyncClient``, with what a ``RouteClient`` has."""

    async def request(self, **request: Any) -> Any:
        """Send what one of the methods has made, and return the response."""
        response: Any = await super().request(**request)
        # Django follows a 307 or 308, as which routes answer a slash too many, by a name of WSGI, and fails.
        response.request.setdefault("REQUEST_METHOD", request["method"])
        return extended(response, AsyncRouteResponse)


def url_of(path: str, params: Mapping[str, Any] | None) -> str:
    """
    Return the path that *path* is, or that of the route whose URL name it is.

    Raises:
        TypeError: There are values of segments for a path.
        NoReverseMatch: No route of that name takes these segments.
    """
    if not str(path).startswith("/") and "://" not in str(path):
        return reverse(str(path), kwargs=dict(params or {}))
    if params:
        raise documented(
            TypeError(
                f"{path}: params= is for the URL name of a route, such as 'routes:api-products-id'. A path is sent as "
                "it is: write the values into it, or name the route."
            ),
            _SECTION,
        )
    return path


def _content(data: Any, content_type: str, json: Any) -> tuple[Any, str]:
    if isinstance(json, _Nothing):
        return data, content_type
    if data:
        raise documented(TypeError("json= and data are two contents for one request. Give one of them."), _SECTION)
    return encode_json(json), "application/json"
