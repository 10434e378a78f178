"""
Turn what a handler returns into its response, as the return annotation says.

The annotation is read once, at start-up. It decides how values are encoded, and what documents
say of the answers.
"""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, field
from types import AsyncGeneratorType, GeneratorType
from typing import Any, cast, get_args, get_origin

from django.core import mail
from django.http.response import HttpResponseBase
from pydantic import TypeAdapter

from django_routehandlers.conf import get_config
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.handlers.answers import Answer, Members, members_of, resolved
from django_routehandlers.handlers.functions import Fault, Handler, Unresolved, line_of, return_annotation
from django_routehandlers.handlers.return_adapters import NoAdapter, Unevaluated, adapter_of
from django_routehandlers.handlers.sharing import shared
from django_routehandlers.handlers.text_values import type_text
from django_routehandlers.responses.conversion import is_json, to_response
from django_routehandlers.responses.event_stream import EventStreamResponse
from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.jsonable import JSONEncodeError
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.rows import evaluated
from django_routehandlers.responses.stream import StreamResponse
from django_routehandlers.responses.typed import Misfit, TypedEncoder

_JSON = "application/json"
_DATA = frozenset({dict, list})


def is_checked() -> bool:
    """Return whether responses are held against their annotations: the setting ``VALIDATE_RESPONSES``."""
    chosen = get_config().VALIDATE_RESPONSES
    if chosen is not None:
        return chosen
    # Django makes the outbox in setup_test_environment(), which its own test runner and pytest-django
    # call, and takes it away again. Whoever sends mail into memory is not in production either.
    return setting("DEBUG") or "outbox" in vars(mail)


@dataclass(frozen=True, slots=True)
class Returns:
    """How the results of one handler become responses."""

    answers: tuple[Answer, ...] = ()
    """What the annotation declares; empty where it declares nothing."""
    is_open: bool = True
    """Whether the handler may also answer what is not declared."""
    takes_any: bool = False
    """Whether it may also return any value, encoded as without annotation."""
    value: TypedEncoder | None = None
    """What encodes a value that is sent with status 200."""
    item: TypedEncoder | None = None
    """What encodes a line of a stream."""
    event: TypedEncoder | None = None
    """What encodes the data of an event."""
    yields_events: bool = False
    """Whether a generator is an event stream, not one of lines."""
    is_stream: bool = False
    """Whether the annotation names nothing but streams."""
    bodies: Mapping[int | None, TypedEncoder | None] = field(default_factory=lambda: {})
    """Status → what a ``JSONResponse`` is held against; ``None`` where any body will do."""
    _has_stream: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_has_stream", any(answer.is_stream for answer in self.answers))

    def to_response(self, value: object, *, handler: str) -> HttpResponseBase:
        """
        Return the response for what the handler returned.

        A response is passed on as it is. Values are encoded as the annotation says, in this
        thread: where it is no event loop, the database may be asked.

        Args:
            value: What the handler returned.
            handler: Route, method and file of the handler, for the error message.

        Raises:
            TypeError: *value* has no JSON form, or does not fit the annotation and nothing that
                does can be made of it. While responses are checked: it does not fit. The
                message names the handler and the place in *value*.
        """
        if not self.answers:
            return to_response(value, handler=handler)
        try:
            return self._convert(value, handler, checked=is_checked())
        except Misfit as error:
            raise Misfit(f"{handler}: the response does not fit the return annotation. {error}") from error

    def _convert(self, value: object, handler: str, *, checked: bool) -> HttpResponseBase:
        if value.__class__ in _DATA and self.value is not None and not self.takes_any:
            # It is nothing of what is looked for below.
            return JSONResponse.from_bytes(_bytes(value, self.value, handler, checked=checked), value)
        if isinstance(value, HttpResponseBase):
            if isinstance(value, JSONResponse) and "data" in vars(value):
                return self._encode(cast("JSONResponse[object]", value), handler, checked=checked)
            if isinstance(value, StreamResponse):
                self._type(value, handler, checked=checked)
            return cast("HttpResponseBase", value)
        if isinstance(value, GeneratorType | AsyncGeneratorType) or (self._has_stream and _is_iterator(value)):
            return self._stream(cast("Iterator[object] | AsyncIterable[object]", value), handler, checked=checked)
        if value is None or self.value is None:
            if checked and not self.is_open and self._is_undeclared(value):
                remedy = "Return a value, or add None to it." if value is None else "Add it there."
                raise Misfit(f"The handler returned {_name(value)}, which the annotation does not name. {remedy}")
            return to_response(value, handler=handler)
        return self._json(value, self.value, handler, checked=checked)

    def _json(self, value: object, encoder: TypedEncoder, handler: str, *, checked: bool) -> HttpResponseBase:
        data = _evaluated(value, handler)
        if self.takes_any and is_json(data) and not encoder.accepts(data):
            return to_response(data, handler=handler)
        if encoder.is_native and not is_json(data) and not encoder.fits(data):
            return to_response(data, handler=handler)
        return JSONResponse.from_bytes(_bytes(data, encoder, handler, checked=checked), data)

    def _is_undeclared(self, value: object) -> bool:
        if value is None:
            return not any(answer.status == 204 for answer in self.answers)
        # What has no JSON form gets an error that says more.
        return is_json(value)

    def _encode(self, response: JSONResponse[object], handler: str, *, checked: bool) -> HttpResponseBase:
        status = response.status_code
        if checked and not self.is_open and status not in self.bodies and None not in self.bodies:
            what = f"The handler answered {status}, a status that the annotation does not name."
            raise Misfit(f"{what} Add JSONResponse[..., Literal[{status}]] to it.")
        encoder = self.bodies.get(status, self.bodies.get(None))
        if encoder is None or (self.takes_any and not encoder.accepts(response.data)):
            return to_response(response, handler=handler)
        if not response.is_encoded:
            response.content = _bytes(_evaluated(response.data, handler), encoder, handler, checked=checked)
        elif checked:
            encoder.check_sent(response.data)
        return response

    def _stream(
        self, records: Iterator[object] | AsyncIterable[object], handler: str, *, checked: bool
    ) -> HttpResponseBase:
        if checked and not self.is_open and not self._has_stream:
            kind = "AsyncIterator" if isinstance(records, AsyncGenerator) else "Iterator"
            raise Misfit(f"The handler yields, which the annotation does not name. Add {kind}[...] there.")
        kind = EventStreamResponse if self.yields_events else NDJSONResponse
        response = kind(records, name=handler)
        self._type(response, handler, checked=checked)
        return response

    def _type(self, response: StreamResponse, handler: str, *, checked: bool) -> None:
        """Have the stream encode its records as the annotation says."""
        encoder = self.event if isinstance(response, EventStreamResponse) else self.item
        if encoder is None or (encoder.is_native and not checked):
            return

        def encode(record: object) -> bytes:
            try:
                return encoder.encode(record, is_checked=checked)
            except Misfit as error:
                raise Misfit(f"{handler}: a record does not fit the return annotation. {error}") from error

        response.encode_with(encode)


def plan_returns(handler: Handler, file: str) -> tuple[Returns, tuple[Fault, ...]]:
    """
    Return how the results of *handler* become responses, and what is wrong with its return annotation.

    Args:
        file: The route file: faults of functions written elsewhere have no line in it.
    """
    try:
        annotation = return_annotation(handler)
    except (TypeError, ValueError):
        # The parameters cannot be read either, and that is a fault of its own.
        return Returns(), ()
    try:
        if annotation is inspect.Signature.empty:
            return Returns(), ()
        if isinstance(annotation, Unresolved):
            raise Unevaluated(f"{annotation.text!r} is not known when the routes are read")
        namespace: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
        whole = resolved(annotation, namespace)
        _refuse_generator(handler, whole)
        return shared("returns", whole, lambda: _returns(members_of(whole))), ()
    except Unevaluated as error:
        what = f"the return annotation cannot be evaluated: {error}. Responses are neither checked nor documented."
        remedy = "Import the name at the top of the file, outside `if TYPE_CHECKING`."
        return Returns(), (Fault("W052", line_of(handler, file), what, remedy),)
    except NoAdapter as error:
        return Returns(), (Fault("E051", line_of(handler, file), error.what, error.remedy),)


def _refuse_generator(handler: Handler, annotation: Any) -> None:
    written = inspect.unwrap(handler)
    is_async = inspect.isasyncgenfunction(written)
    if not is_async and not inspect.isgeneratorfunction(written):
        return
    members = members_of(annotation)
    if members.is_iterated or members.takes_any:
        return
    what = "the handler yields, so it returns an iterator, which the return annotation does not name."
    kind = "AsyncIterator" if is_async else "Iterator"
    if members.values and not (members.bodies or members.items or members.events or members.others):
        raise NoAdapter(what, f"Write `{kind}[{' | '.join(map(type_text, map(_one_of, members.values)))}]`.")
    raise NoAdapter(what, f"Write `{kind}[...]`, with the type of what is yielded.")


def _one_of(annotation: Any) -> Any:
    """Return what is yielded by a handler that has returned a list before: its items."""
    given = get_args(annotation)
    return given[0] if get_origin(annotation) is list and given else annotation


def _returns(members: Members) -> Returns:
    bodies: dict[int | None, list[Any]] = {200: members.values} if members.values else {}
    for status, types in members.bodies.items():
        bodies[status] = [*bodies.get(status, ()), *types]
    adapters = {status: adapter_of(types) for status, types in bodies.items()}
    answers = [Answer(status, adapter, (_JSON,)) for status, adapter in adapters.items()]
    item, event = adapter_of(members.items), adapter_of(members.events)
    if members.items:
        answers.append(Answer(200, item, NDJSONResponse.framing.media_types, is_stream=True))
    if members.events:
        answers.append(Answer(200, event, EventStreamResponse.framing.media_types, is_stream=True))
    if members.is_nullable:
        answers.append(Answer(204, None, ()))
    encoders = {status: _encoder(adapter) for status, adapter in adapters.items()}
    return Returns(
        answers=tuple(answers),
        is_open=bool(members.others),
        takes_any=members.takes_any,
        value=encoders.get(200) if members.values else None,
        item=_encoder(item),
        event=_encoder(event),
        yields_events=members.yields_events,
        is_stream=members.are_streams_of_django or bool(answers and all(answer.is_stream for answer in answers)),
        bodies=encoders,
    )


def _encoder(adapter: TypeAdapter[Any] | None) -> TypedEncoder | None:
    # One for an adapter, always: it hides private parts of the adapter, and would not find them a second time.
    return None if adapter is None else shared("encoder", adapter, lambda: TypedEncoder(adapter))


def _evaluated(value: object, handler: str) -> object:
    try:
        return evaluated(value)
    except JSONEncodeError as error:
        raise _named(error, handler) from error


def _bytes(data: object, encoder: TypedEncoder, handler: str, *, checked: bool) -> bytes:
    try:
        return encoder.encode(data, is_checked=checked)
    except Misfit:
        raise
    except JSONEncodeError as error:
        raise _named(error, handler) from error


def _named(error: JSONEncodeError, handler: str) -> JSONEncodeError:
    return JSONEncodeError(f"{handler}: the returned value has no JSON form. {error}")


def _name(value: object) -> str:
    return "None" if value is None else f"a {type(value).__qualname__}"


def _is_iterator(value: object) -> bool:
    if is_json(value):
        return False
    # A QuerySet is iterable in both ways, and no stream.
    return isinstance(value, Iterator) or (isinstance(value, AsyncIterable) and not isinstance(value, Iterable))
