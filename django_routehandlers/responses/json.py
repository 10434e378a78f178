"""Turn a value, a status and header fields into a JSON response. Type checkers see body and status."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Literal, cast, overload

from django.http import HttpResponse
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
        return super().content

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
        HttpResponse.__init__(response, content, headers={"Content-Type": "application/json"})
        response.data = cast("Body", data)
        return response
