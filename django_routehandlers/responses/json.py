"""Turn a value, a status and header fields into a JSON response. Type checkers see body and status."""

from collections.abc import Mapping
from typing import Generic, Literal, cast, overload

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

    Raises:
        JSONEncodeError: *data* has no JSON form. It is a ``TypeError``.

    Attributes:
        data: What was given. It is not encoded again when it changes, and a response that comes
            from a cache does not have it.
    """

    data: Body

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
        super().__init__(encode_json(data), status=status, headers=fields)
        self.data = cast("Body", data)

    def __getstate__(self) -> dict[str, object]:
        # Caches pickle responses; data may be anything, and may refer to anything.
        return {name: value for name, value in vars(self).items() if name != "data"}

    @classmethod
    def from_bytes(cls, content: bytes, data: object) -> "JSONResponse":
        """Return the response, with status 200, whose content is *data* that has been encoded as *content*."""
        response: JSONResponse = cls.__new__(cls)
        HttpResponse.__init__(response, content, headers={"Content-Type": "application/json"})
        response.data = cast("Body", data)
        return response
