"""
Note what happens while one request is answered, in whichever thread or task it does.

Context variables go along with a request, so that requests in flight at once keep their notes apart.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.db.backends.signals import connection_created
from django.http import HttpRequest

Note = list[Any]
"""What happened, and what there is to say of it, all of which JSON knows."""

_notes: ContextVar[list[Note] | None] = ContextVar("notes", default=None)
_trail: ContextVar[str] = ContextVar("trail", default="")


def begin_notes() -> list[Note]:
    """Return an empty list to which all is added that is noted in this context from now on."""
    notes: list[Note] = []
    _notes.set(notes)
    _trail.set("")
    return notes


def note(kind: str, *what: Any) -> None:
    """Note that something happened."""
    notes = _notes.get()
    if notes is not None:
        notes.append([kind, *what])


def leave_trail(mark: str) -> str:
    """Add to what those who come later in the same context find; return it."""
    _trail.set(_trail.get() + mark)
    return _trail.get()


def is_on_loop() -> bool:
    """Return whether this is called on an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class NotingHandler(logging.Handler):
    """Notes log records."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        request = getattr(record, "request", None)
        # How long a statement took, and the frames that an error page was made of.
        is_sql, is_page = record.name == "django.db.backends", record.name == "django.template"
        args: Any = record.args
        note(
            "log",
            record.name,
            record.levelname,
            re.sub(r"^\(\d+\.\d+\)", "", record.getMessage()),
            repr(args[1:] if is_sql else args),
            error and [type(error).__name__, "" if is_page else str(error)],
            getattr(record, "status_code", None),
            request.path if isinstance(request, HttpRequest) else repr(request),
        )


def note_warning(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
    """Note a warning. Its place is not noted: frames are not what is compared."""
    note("warning", category.__name__, str(message))


def note_sql(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """Note a statement to the database; its values show in the tables."""
    if not sql.startswith("PRAGMA"):
        note("sql", " ".join(sql.split())[:120], is_on_loop())
    return execute(sql, params, many, context)


def watch_statements() -> None:
    """Note statements from now on, whichever thread opens a connection for them."""
    connection_created.connect(_watch, dispatch_uid="engine_notes")


def _watch(connection: Any, **kwargs: Any) -> None:
    if note_sql not in connection.execute_wrappers:
        connection.execute_wrappers.append(note_sql)


def _kind(sender: Any) -> str:
    return "ASGIHandler" if isinstance(sender, type) and issubclass(sender, ASGIHandler) else repr(sender)


def _note_signal(name: str, sender: Any, given: dict[str, Any]) -> None:
    given.pop("signal")
    scope, request = given.get("scope"), given.get("request")
    what = scope["path"] if scope else request.path if request else None
    note("signal", name, _kind(sender), sorted(given), what, leave_trail("s"))


def note_started(sender: Any, **kwargs: Any) -> None:
    _note_signal("request_started", sender, kwargs)


def note_finished(sender: Any, **kwargs: Any) -> None:
    _note_signal("request_finished", sender, kwargs)


def note_failed(sender: Any, **kwargs: Any) -> None:
    _note_signal("got_request_exception", sender, kwargs)


async def anote_started(sender: Any, **kwargs: Any) -> None:
    await asyncio.sleep(0)
    _note_signal("request_started", sender, kwargs)


async def anote_finished(sender: Any, **kwargs: Any) -> None:
    await asyncio.sleep(0)
    _note_signal("request_finished", sender, kwargs)


WATCHES = {
    "none": (),
    "sync": ((request_started, note_started), (request_finished, note_finished)),
    "async": ((request_started, anote_started), (request_finished, anote_finished)),
}
"""How the signals of a request are watched → the signals and their receivers."""


def watch_signals(how: str, *, is_on: bool) -> None:
    """Connect receivers, or disconnect them. That of failures is always there: it changes no other way."""
    for signal, receiver in (*WATCHES[how], (got_request_exception, note_failed)):
        (signal.connect if is_on else signal.disconnect)(receiver)
