"""Turn a value, a status and header fields into a JSON response. Type checkers see body and status."""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import lru_cache
from http.cookies import SimpleCookie
from typing import Any, Generic, Literal, cast, overload

from django.http import HttpResponse
from django.http.response import ResponseHeaders
from typing_extensions import TypeVar

from django_routehandlers.responses.encoding import encode_json

# Both have defaults (PEP 696), so that a bare JSONResponse means any body and any status.
Body = TypeVar("Body", covariant=True, default=object)
Status = TypeVar("Status", bound=int, covariant=True, default=int)

_Data = TypeVar("_Data")


class JSONResponse(HttpResponse, Generic[Body, Status]):
    """
    A response whose content is *data* as ``application/json``.

    Generic over the types of body and status: a handler annotated
    ``-> JSONResponse[ProductOut, Literal[201]] | JSONResponse[Error, Literal[404]]`` is
    checked against what it returns. Where no status is given it is ``Literal[200]``.

    Args:
        data: Anything that :func:`~django_routehandlers.responses.encoding.encode_json` takes.
        status: The status code, 100 to 599.
        headers: Header fields. A ``Content-Type`` among them replaces ``application/json``.

    It is encoded when its content is first asked for: by the return annotation of the handler
    that returns it, else by :func:`~django_routehandlers.responses.encoding.encode_json`, which
    raises ``JSONEncodeError``, a ``TypeError``, for what has no JSON form.

    Attributes:
        data: What was given. A response that comes from a cache does not have it.
    """

    data: Body
    is_encoded: bool
    """Whether the content is there: a change of ``data`` then makes no difference to it."""

    @overload
    def __init__(
        self: "JSONResponse[_Data, Literal[200]]",
        data: _Data,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...

    @overload
    def __init__(self, data: Body, *, status: Status, headers: Mapping[str, str] | None = None) -> None: ...

    def __init__(self, data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        fields = {"Content-Type": "application/json", **(headers or {})}
        super().__init__(status=status, headers=fields)
        self.data = cast("Body", data)
        self.is_encoded = False

    @property
    def content(self) -> bytes:
        """The JSON, encoded when it is first asked for: until then a handler's annotation says how."""
        if not self.is_encoded:
            self.content = encode_json(self.data)
        parts: list[bytes] = vars(self)["_container"]
        return parts[0] if len(parts) == 1 else super().content

    @content.setter
    def content(self, value: Any) -> None:
        vars(HttpResponse)["content"].__set__(self, value)
        self.is_encoded = True

    def __iter__(self) -> Iterator[bytes]:
        # Django's reads what it keeps, and asks for no content.
        return iter([self.content])

    def write(self, content: str | bytes) -> None:
        """Append to the JSON."""
        self.content += self.make_bytes(content)

    def __getstate__(self) -> dict[str, object]:
        # What is unpickled has no data to encode.
        self.content  # noqa: B018 - reading is what encodes
        # Caches pickle responses; data may be anything, and may refer to anything.
        return {name: value for name, value in vars(self).items() if name != "data"}

    @classmethod
    def from_bytes(cls, content: bytes, data: object) -> "JSONResponse":
        """Return the response, with status 200, whose content is *data* that has been encoded as *content*."""
        response: JSONResponse = cls.__new__(cls)
        own = vars(response)
        for name, (value, make) in _attributes().items():
            own[name] = value if make is None else make(value)
        own["_container"] = [content]
        own["data"], own["is_encoded"] = data, True
        return response


@lru_cache(maxsize=1)
def _attributes() -> Mapping[str, tuple[Any, Callable[[Any], Any] | None]]:
    """Return what Django gives a response: name → value, and what copies it where it is one that can change."""
    response = HttpResponse(b"", headers={"Content-Type": "application/json"})
    return {
        name: (value, None if isinstance(value, _CONSTANT) else _COPIES.get(value.__class__, copy))
        for name, value in vars(response).items()
    }


def _copied_headers(headers: ResponseHeaders) -> ResponseHeaders:
    other = ResponseHeaders.__new__(ResponseHeaders)
    vars(other)["_store"] = dict(vars(headers)["_store"])
    return other


_CONSTANT = (str, int, bytes, type(None))
_COPIES: Mapping[type, Callable[[Any], Any]] = {
    ResponseHeaders: _copied_headers,
    SimpleCookie: lambda cookies: SimpleCookie(),
    list: list,
}
