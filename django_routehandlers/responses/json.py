"""Turn a value, a status and header fields into a JSON response. Type checkers see body and status."""

from collections.abc import Mapping
from typing import Generic, Literal, overload

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
    """

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
