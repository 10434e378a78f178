"""
Turn the annotation of what a handler returns into the answers that it declares.

An annotation is a union of members: values that are sent as JSON, responses with a body and a
status, streams of items, ``None``, and responses that declare nothing.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    Never,
    NoReturn,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from django.http.response import HttpResponseBase, StreamingHttpResponse
from pydantic import TypeAdapter

from django_routehandlers.handlers.adapters import first_line
from django_routehandlers.handlers.return_adapters import NOTHING, NoAdapter, Unevaluated, union
from django_routehandlers.responses.event_stream import EventStreamResponse
from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.server_sent_event import ServerSentEvent

_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)
_WITHOUT_CONTENT = (204, 205, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a handler answers, as its return annotation says."""

    status: int | None
    """``None`` where the annotation leaves it open."""
    adapter: TypeAdapter[Any] | None
    """Of the body, or of one item of a stream; ``None`` for no body, or none that is declared."""
    media_types: tuple[str, ...]
    """Empty where there is no content; several where the client may choose."""
    is_stream: bool = False
    """Whether the content is a series of values."""


@dataclass(slots=True)
class Members:
    """The members of a return annotation, as types."""

    values: list[Any] = field(default_factory=lambda: [])
    """What is sent as JSON with status 200."""
    bodies: dict[int | None, list[Any]] = field(default_factory=lambda: {})
    """Status → bodies of ``JSONResponse``; ``None``: any status."""
    items: list[Any] = field(default_factory=lambda: [])
    """What streams of JSON lines consist of."""
    events: list[Any] = field(default_factory=lambda: [])
    """What the data of event streams is."""
    yields_events: bool = False
    """Whether what the handler yields are events."""
    others: list[Any] = field(default_factory=lambda: [])
    """Responses that declare nothing, and what may be any value."""
    is_nullable: bool = False
    """Whether ``None`` is among them."""
    takes_any: bool = False
    """Whether ``Any`` or ``object`` is among them."""
    is_iterated: bool = False
    """Whether an iterator is among them, which is what a generator returns."""

    @property
    def are_streams_of_django(self) -> bool:
        """Whether each of them is a stream of Django's, such as a file, which declares nothing."""
        kinds = [get_origin(one) or one for one in self.others]
        are_streams = all(isinstance(kind, type) and issubclass(kind, StreamingHttpResponse) for kind in kinds)
        return bool(kinds) and are_streams and not (self.values or self.bodies or self.is_nullable)


def resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    """
    Return *annotation* with the names within it, such as those of ``list["Product"]``, as types.

    Raises:
        Unevaluated: One of them is not in *namespace*.
    """

    def holder() -> None: ...

    holder.__annotations__ = {"return": annotation}
    try:
        # Two dicts: else what typing remembers of List["Item"] would keep the first Item that it meant.
        return get_type_hints(holder, namespace, dict(namespace), include_extras=True)["return"]
    except Exception as error:
        raise Unevaluated(first_line(error)) from error


def members_of(annotation: Any) -> Members:
    """
    Return the members of *annotation*, aliases looked into.

    Raises:
        Unevaluated: A type alias names what is not there.
    """
    flat = _flat(annotation)
    members = Members(is_nullable=any(one is NoneType for one in flat), takes_any=any(one in NOTHING for one in flat))
    for one in flat:
        kind = get_origin(one) or one
        if one is NoneType or one in (Never, NoReturn):
            continue
        if _is_response(kind) and issubclass(kind, JSONResponse):
            body, status = _parameters(one)
            for code in _statuses(status):
                members.bodies.setdefault(code, []).append(body)
        elif _is_response(kind) and issubclass(kind, NDJSONResponse | EventStreamResponse):
            to = members.items if issubclass(kind, NDJSONResponse) else members.events
            to.append(_item(one))
        elif kind in _STREAMS:
            members.is_iterated = True
            _add_items(members, next(iter(get_args(one)), Any))
        elif one in NOTHING or _is_response(kind):
            members.others.append(one)
        else:
            members.values.append(one)
    return members


def _add_items(members: Members, item: Any) -> None:
    """Add what an iterator yields: events if one of its members is an event, else lines."""
    flat = _flat(item)
    if any((get_origin(one) or one) is ServerSentEvent for one in flat):
        members.yields_events = True
        is_event = [(get_origin(one) or one) is ServerSentEvent for one in flat]
        members.events.extend(_item(one) if event else one for one, event in zip(flat, is_event, strict=True))
    else:
        members.items.append(item)


def _flat(annotation: Any) -> list[Any]:
    """Return the members of unions, aliases and coroutines; an alias of values alone stays one, for its name."""
    origin: Any = get_origin(annotation)
    parameters = get_args(annotation)
    if annotation is None:
        return [NoneType]
    if origin in (Union, UnionType):
        return [one for parameter in parameters for one in _flat(parameter)]
    if origin in (Awaitable, Coroutine) and parameters:
        return _flat(parameters[-1])
    if origin is Annotated:
        found = _flat(parameters[0])
        values = [one for one in found if _is_value(one)]
        if len(values) == len(found):
            return [annotation]
        bare = [one for one in found if not _is_value(one)]
        # Metadata, such as the discriminator of a union, belongs to what is left of the union.
        return [*bare, Annotated[(union(values), *annotation.__metadata__)]] if values else bare
    if _is_alias(annotation) or _is_alias(origin):
        try:
            target: Any = annotation.__value__ if _is_alias(annotation) else cast("Any", origin).__value__[parameters]
        except Exception as error:
            raise Unevaluated(first_line(error)) from error
        found = _flat(target)
        return [annotation] if all(_is_value(one) for one in found) else found
    return [annotation]


def _is_alias(annotation: Any) -> bool:
    # Python 3.12 has one class of them, typing_extensions another.
    return type(annotation).__name__ == "TypeAliasType"


def _is_value(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return not (
        annotation in (NoneType, Never, NoReturn, *NOTHING)
        or _is_alias(annotation)
        or kind in _STREAMS
        or _is_response(kind)
    )


def _is_response(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, HttpResponseBase)


def _parameters(response: Any) -> tuple[Any, Any]:
    """Return body and status of a ``JSONResponse`` or a subclass of it, ``Any`` where they are left open."""
    origin, given = get_origin(response) or response, get_args(response)
    if origin is JSONResponse:
        body, status, *_ = (*given, *(Any, int)[len(given) :])
        return body, status
    for base in getattr(origin, "__orig_bases__", ()):
        if _is_response(get_origin(base)):
            names = getattr(base, "__parameters__", ())
            return _parameters(base[given] if names and given else base)
    return Any, int


def _item(series: Any) -> Any:
    """Return what a stream, or an event, or a subclass of one is generic over; ``Any`` where that is left open."""
    origin, given = get_origin(series) or series, get_args(series)
    if given:
        return given[0]
    bases = (base for base in getattr(origin, "__orig_bases__", ()) if get_origin(base) is not Generic)
    return next((_item(base) for base in bases if not isinstance(_item(base), TypeVar)), Any)


def _statuses(status: Any) -> list[int | None]:
    codes: list[int | None] = []
    for one in _flat(status):
        if get_origin(one) is Literal:
            codes += [_checked_status(code) for code in get_args(one)]
        elif _is_alias(one):
            codes += _statuses(one.__value__)
        elif one is int or one in NOTHING or isinstance(one, TypeVar):
            codes.append(None)
        else:
            raise NoAdapter(f"{one!r} is no type of a status.", "Write Literal[201], or int for any status.")
    return codes


def _checked_status(code: object) -> int:
    if isinstance(code, int) and not isinstance(code, bool) and 200 <= code <= 599 and code not in _WITHOUT_CONTENT:
        return int(code)
    if code in _WITHOUT_CONTENT:
        what = f"a response with status {code} has no content (RFC 9110, section 15), so JSONResponse is wrong for it."
        raise NoAdapter(what, "Return None, annotated as None, for 204; or an HttpResponse.")
    raise NoAdapter(f"{code!r} is no status of a response.", "Write a whole number from 200 to 599.")
