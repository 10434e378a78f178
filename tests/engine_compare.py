"""
Send requests to one application, stock Django's or ours, and write down all that can be observed.

Run with a job as JSON, in a process of its own: settings, signals and what the SDKs of others patch are a
process's. What is random is labelled by its value, so that two applications can be compared, and the
clock stands still while a request is answered.
"""

import asyncio
import gc
import gzip
import hashlib
import json
import logging
import re
import shutil
import sqlite3
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from django.conf import settings
from django.middleware.gzip import GZipMiddleware

from engine_stacks import ROUTES, SENTRY, STACKS, Stack, base_settings

LIMIT = 30  # seconds until a request that is not answered counts as hanging
LONG = 4_000  # characters of which no more than a digest is written down
ODD_TABLES = ("django_migrations", "auth_permission", "django_content_type")
SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"
Observation = dict[str, Any]


def show_toolbar(request: Any) -> bool:
    """Show the debug toolbar to everybody."""
    return True


class Clock:
    """A clock that only its owner moves, in the place of the process's."""

    def __init__(self, now: float) -> None:
        from django.utils import timezone

        self.now = now
        time.time = lambda: self.now
        timezone.now = lambda: datetime.fromtimestamp(self.now, tz=UTC)


class Labels:
    """Names what is random by its value: the same value has the same name, in the order of appearance."""

    _RANDOM = re.compile(
        r"(?<![A-Za-z0-9])(?P<masked>[A-Za-z0-9]{64})(?![A-Za-z0-9])"
        r"|(?<![A-Za-z0-9])(?P<key>[A-Za-z0-9]{32})(?![A-Za-z0-9])"
        r"|(?<=nonce-)(?P<nonce>[\w-]{22})|(?<=nonce=\")(?P<attribute>[\w-]{22})"
        r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
        r"|(?P<password>md5\$\w{22}\$[0-9a-f]{32})"
    )
    _PLAIN = (
        (re.compile(r"\b0x[0-9a-f]{6,}"), "0x"),
        (re.compile(r"\btmp\w{8}\b"), "tmp"),
        # Named after the thread, and counted as long as the connection lasts.
        (re.compile(r'(?<=SAVEPOINT "s)\d+_x\d+'), ""),
        (re.compile(r"(?<=;dur=)[\d.e-]+"), "N"),
        (re.compile(r"\b\d+(\.\d+)?(?= ?ms\b)"), "N"),
    )

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._names: dict[str, str] = {}
        self._opaque: dict[str, str] = {}

    def see_cookie(self, value: str) -> None:
        """Learn the value of a session that is kept in a cookie: its content is what counts."""
        from django.contrib.sessions.serializers import JSONSerializer
        from django.core import signing

        with suppress(signing.BadSignature):
            content = signing.loads(value, serializer=JSONSerializer, salt=SIGNED_COOKIES)
            self._opaque[value] = self.plain(f"<session {sorted(content.items())}>")

    def plain(self, value: Any) -> Any:
        """Return a value of JSON's with names in the place of what is random."""
        if isinstance(value, dict):
            return {self.plain(key): self.plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        if not isinstance(value, str):
            return value
        value = value.replace(self._folder, "<folder>")
        for opaque, name in self._opaque.items():
            value = value.replace(opaque, name)
        for pattern, name in self._PLAIN:
            value = pattern.sub(name, value)
        value = self._RANDOM.sub(self._name, value)
        if len(value) > LONG:
            return f"{value[:LONG]} <{len(value)}: {hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()}>"
        return value

    def _name(self, match: re.Match[str]) -> str:
        from django.middleware.csrf import _unmask_cipher_token

        kind, value = str(match.lastgroup), match.group()
        if kind == "masked":
            value = _unmask_cipher_token(value)
        elif kind == "attribute":
            kind = "nonce"
        return self._names.setdefault(value, f"<{'masked ' if kind == 'masked' else ''}{len(self._names)}>")


class Browser:
    """What a client remembers: cookies, the last token, the versions that it has."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.token = ""

    def fields(self, sent: Any) -> list[tuple[bytes, bytes]]:
        """Return the fields of a request."""
        fields = list(sent.fields)
        if sent.scope.get("host") != "given":
            fields.insert(0, ("host", "testserver"))
        pairs = [f"{name}={value}" for name, value in self.cookies.items()]
        fields += [("cookie", text) for text in (pairs if sent.splits_cookies else ["; ".join(pairs)]) if text]
        if sent.token == "header":
            fields.append(("x-csrftoken", self._token()))
        if sent.is_conditional and sent.path in self.tags:
            fields.append(("if-none-match", self.tags[sent.path]))
        if sent.body and not any(name == "transfer-encoding" for name, _ in fields):
            fields.append(("content-length", str(len(self.body(sent)))))
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]

    def body(self, sent: Any) -> bytes:
        """Return the content of a request."""
        if sent.token not in ("field", "wrong") or b"--edge" in sent.body:
            return sent.body
        token = self._token() if sent.token == "field" else "w" * 64
        return sent.body + b"&csrfmiddlewaretoken=" + token.encode()

    def _token(self) -> str:
        return self.token or self.cookies.get("csrftoken", "none")

    def see(self, sent: Any, seen: Observation, text: str) -> None:
        """Remember what a response says."""
        for name, value in seen["fields"]:
            if name.lower() == "etag":
                self.tags[sent.path] = value
            elif name.lower() == "set-cookie":
                self._see_cookie(value)
        if found := re.search(r"(?<!\w)\w{64}(?!\w)", text):
            self.token = found.group()

    def _see_cookie(self, text: str) -> None:
        for name, morsel in SimpleCookie(text).items():
            self.cookies[name] = morsel.coded_value
            if morsel["max-age"] in (0, "0") or not morsel.value:
                del self.cookies[name]


class Exchange:
    """One request to an application, as a server sees it."""

    def __init__(self, sent: Any, browser: Browser, notes: list[Any]) -> None:
        self.sent, self.notes = sent, notes
        self.messages: list[Any] = []
        self.scope = _scope(sent, browser.fields(sent))
        body = browser.body(sent)
        size = max(1, -(-len(body) // sent.pieces))
        self.pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

    async def receive(self) -> dict[str, Any]:
        """Return what the client does next."""
        if self.pieces:
            body, has_more = self.pieces.pop(0), bool(self.pieces) or self.sent.leaves == "while"
            return {"type": "http.request", "body": body, "more_body": has_more}
        if self.sent.leaves == "while":
            return {"type": "http.disconnect"}
        if self.sent.leaves != "later":
            await asyncio.Event().wait()
        while not self._is_stuck():  # noqa: ASYNC110 - it is seen from outside
            await asyncio.sleep(0.002)
        return {"type": "http.disconnect"}

    def _is_stuck(self) -> bool:
        return ["waits"] in self.notes or sum(bool(message.get("body")) for message in self.messages) == 3

    async def send(self, message: dict[str, Any]) -> None:
        """Take what the application answers."""
        self.messages.append(message)


def _scope(sent: Any, fields: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    from engine_requests import raw_path

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "raw_path": raw_path(sent),
        "query_string": sent.query,
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    said = {name: value or None for name, value in sent.scope.items() if name != "host"}
    return {name: value for name, value in {**scope, **said}.items() if value is not None}


async def observe(application: Any, sent: Any, browser: Browser, labels: Labels) -> Observation:
    """Send one request; return all that can be seen of what becomes of it."""
    from engine_notes import begin_notes

    notes = begin_notes()
    exchange = Exchange(sent, browser, notes)
    error: BaseException | None = None
    try:
        async with asyncio.timeout(LIMIT):
            await application(exchange.scope, exchange.receive, exchange.send)
    except Exception as failure:
        error = failure
    # What is left open warns when it goes, which has to be now.
    gc.collect()
    seen: Observation = {
        "sent": _summary(sent),
        "error": error and [type(error).__name__, str(error)],
        "types": [message["type"] for message in exchange.messages[:2]],
        "status": exchange.messages[0]["status"] if exchange.messages else None,
    }
    seen["fields"], seen["body"] = _read(exchange.messages)
    seen["pieces"] = [len(message.get("body", b"")) for message in exchange.messages[1:]]
    if "Traceback" in seen["body"] or ["Content-Encoding", "gzip"] in seen["fields"]:
        # Its frames, or its random tokens, make its length another one.
        seen["pieces"] = ["of any length"]
    seen["more"] = [message.get("more_body", False) for message in exchange.messages[1:]]
    seen["notes"] = notes
    browser.see(sent, seen, seen["body"])
    if settings.SESSION_ENGINE == SIGNED_COOKIES and "sessionid" in browser.cookies:
        labels.see_cookie(browser.cookies["sessionid"])
    return labels.plain(seen)


def _summary(sent: Any) -> str:
    query = sent.query[:40].decode("latin-1")
    return f"{sent.client} {sent.method} {sent.path[:80]}?{query} {sent.fields[:5]} {sent.leaves} {sent.scope or ''}"


def _read(messages: list[dict[str, Any]]) -> tuple[list[list[str]], str]:
    """Return the fields and the content of a response, the content unpacked, its length as right or wrong."""
    fields = [
        [name.decode("latin-1"), value.decode("latin-1")]
        for message in messages[:1]
        for name, value in message["headers"]
    ]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    for field in fields:
        if field[0].lower() == "content-length" and field[1] == str(len(body)):
            field[1] = "right"
    if ["Content-Encoding", "gzip"] in fields and body:
        body = gzip.decompress(body)
    return fields, _without_frames(body.decode("latin-1"))


def _without_frames(page: str) -> str:
    """Return an error page of DEBUG's without the frames of its traceback, which are those of each handler."""
    if "Traceback" not in page:
        return page
    page = re.sub(r'(?s)<div id="traceback">.*?(?=<div id="requestinfo">)', "", page)
    return re.sub(r"(?s)Traceback \(most recent call last\):.*?(?=Exception Type:)", "", page)


class Database:
    """The rows of the project, seen from outside."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._seen: dict[str, list[str]] = {}
        self._version = -1

    def restore(self, template: Path) -> None:
        """Make the database what it was at first."""
        source = sqlite3.connect(template)
        source.backup(self._connection)
        source.close()
        self._seen, self._version = self._rows(), -1

    def changes(self) -> dict[str, list[str]]:
        """Return the tables that have changed since this was called last, with all their rows."""
        [(version,)] = self._connection.execute("PRAGMA data_version")
        if version == self._version:
            return {}
        self._version = version
        before, self._seen = self._seen, self._rows()
        return {table: rows for table, rows in self._seen.items() if rows != before.get(table)}

    def _rows(self) -> dict[str, list[str]]:
        from django.contrib.sessions.backends.db import SessionStore

        tables = [name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {
            table: [repr(row) for row in self._connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')]
            for table in sorted(tables)
            if table not in ODD_TABLES and not table.startswith("sqlite")
        }
        sessions = self._connection.execute("SELECT * FROM django_session ORDER BY rowid")
        rows["django_session"] = [repr((key, SessionStore().decode(data), ends)) for key, data, ends in sessions]
        return rows


def set_up(folder: Path, *, is_template: bool = False) -> None:
    """Configure Django for the project in *folder*, and write its files."""
    for file, text in ROUTES.items():
        path = folder / "engine_app" / "routes" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "engine_app" / "__init__.py").touch()
    for name in ("static", "sessions"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "static" / "plain.txt").write_text("plain")
    sys.path.insert(0, str(folder))
    settings.configure(**base_settings(folder))
    import django

    django.setup()
    if is_template:
        _fill()


def _fill() -> None:
    from django.contrib.auth.models import User
    from django.contrib.flatpages.models import FlatPage
    from django.contrib.redirects.models import Redirect
    from django.contrib.sites.models import Site
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    Site.objects.update_or_create(pk=1, defaults={"domain": "testserver", "name": "site"})
    User.objects.create_superuser("ada", "ada@example.com", "ada's")
    for name in ("bob", "zoe", *(f"user{number}" for number in range(20))):
        User.objects.create_user(name, f"{name}@example.com", f"{name}'s")
    for url, needs_login in (("/about/", False), ("/members/", True)):
        FlatPage.objects.create(url=url, title="About", content="us", registration_required=needs_login).sites.add(1)
    for old, new in (("/moved/", "/text/"), ("/gone/", "")):
        Redirect.objects.create(site_id=1, old_path=old, new_path=new)


def changed_settings(stack: Stack) -> dict[str, Any]:
    """Return the settings of a stack."""
    changed = {name: value for name, value in stack.settings.items() if name.isupper()}
    return {"MIDDLEWARE": list(stack.middleware), **changed}


class Bench:
    """One application, to be tried with one stack after the other."""

    def __init__(self, job: Mapping[str, Any], clock: Clock) -> None:
        self.job, self.folder = job, Path(job["folder"])
        self.database = Database(self.folder / "db.sqlite3")
        self.clock = clock

    def run(self, name: str) -> list[Any]:
        """Return the observations of one stack."""
        from django.test import override_settings
        from django.urls import clear_url_caches

        from engine_notes import watch_signals

        stack = STACKS[name]
        self.database.restore(Path(self.job["template"]))
        shutil.rmtree(self.folder / "sessions")
        (self.folder / "sessions").mkdir()
        self.clock.now = self.job["now"]
        with ExitStack() as ends:
            ends.enter_context(override_settings(**changed_settings(stack)))
            self._make_atomic(bool(stack.settings.get("atomic")))
            clear_url_caches()
            _clear_caches()
            watch_signals(stack.watch, is_on=True)
            ends.callback(watch_signals, stack.watch, is_on=False)
            return asyncio.run(self._converse() if self.job["at_once"] else self._ask(name))

    def _make_atomic(self, is_atomic: bool) -> None:
        from django.db import connections

        connections.settings["default"]["ATOMIC_REQUESTS"] = is_atomic

    def _application(self) -> Any:
        if self.job["application"] == "ours":
            from django_routehandlers.asgi import get_asgi_application
        else:
            from django.core.asgi import get_asgi_application
        return get_asgi_application()

    async def _ask(self, name: str) -> list[Any]:
        from engine_requests import make_requests

        application, labels = self._application(), Labels(self.folder)
        stack = STACKS[name]
        sent = make_requests(f"{self.job['seed']} {name}", self.job["count"], extra=stack.recipes, fields=stack.fields)
        browsers = [Browser() for _ in range(4)]
        stray = _catch_stray()
        gc.freeze()
        seen: list[Any] = []
        for one in sent:
            self.clock.now += 1
            observation = await asyncio.create_task(observe(application, one, browsers[one.client], labels))
            changes = labels.plain(self.database.changes())
            seen.append({**observation, "database": changes, "mail": labels.plain(_mail())})
        seen.append({"sent": "afterwards", "stray": labels.plain(stray), "lent": await _lent()})
        return seen

    async def _converse(self) -> list[Any]:
        """Return what each of several clients sees: of ours they ask at the same time, of stock one by one."""
        from engine_requests import make_conversations

        application = self._application()
        talks = make_conversations(self.job["seed"], self.job["at_once"], self.job["count"])
        stray = _catch_stray()
        gc.freeze()
        if self.job["application"] == "ours":
            seen = await asyncio.gather(*(self._talk(application, talk) for talk in talks))
        else:
            seen = [await self._talk(application, talk) for talk in talks]
        return [*seen, {"stray": stray, "lent": await _lent()}]

    async def _talk(self, application: Any, talk: list[Any]) -> list[Observation]:
        browser, labels = Browser(), Labels(self.folder)
        return [await asyncio.create_task(observe(application, sent, browser, labels)) for sent in talk]


def _clear_caches() -> None:
    from django.core.cache import caches

    for cache in caches.all():
        cache.clear()


def _mail() -> list[Any]:
    from django.core import mail

    sent = [[message.subject, message.body] for message in getattr(mail, "outbox", ())]
    getattr(mail, "outbox", []).clear()
    return sent


async def _lent() -> int:
    """Return how many threads are still lent, which are given back shortly behind their requests."""
    from django_routehandlers.engine.workers import worker_pool

    for _ in range(100):
        if worker_pool().lent:
            await asyncio.sleep(0.02)
    return worker_pool().lent


def _catch_stray() -> list[Any]:
    """Return a list of what the event loop complains of from now on."""
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: stray.append([context["message"], repr(context.get("exception"))])
    )
    return stray


def _watch() -> None:
    from engine_notes import NotingHandler, note_warning, watch_statements

    root = logging.getLogger()
    root.handlers[:] = [NotingHandler()]
    logging.getLogger("django").setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    warnings.simplefilter("always")
    warnings.showwarning = note_warning
    watch_statements()


_TIDYING = (
    "django.db.reset_queries",
    "django.db.close_old_connections",
    "django.core.cache.close_caches",
    "django.core.handlers.base.reset_urlconf",
)


# What is told of a new connection. Django answers and logs errors in threads of a pool, where Sentry asks for the user,
# and by chance in one that has a connection.
_CONNECTING = (
    ["db", "connect"],
    ["event.django", "django_routehandlers.caching.queries._watch_connection"],
    ["event.django", "engine_notes._watch"],
)


def _watch_sentry(options: Mapping[str, Any]) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.transport import Transport

    from engine_notes import note

    class Noting(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            for item in envelope.items:
                event = item.payload.json
                if item.type in ("event", "transaction") and event:
                    note("sentry", item.type, *_essence(event))

    sentry_sdk.init(
        dsn="https://key@example.com/1",
        transport=Noting,
        traces_sample_rate=1.0,
        send_default_pii=True,
        auto_session_tracking=False,
        integrations=[DjangoIntegration(**options)],
    )


def _essence(event: Mapping[str, Any]) -> list[Any]:
    # The last is what was raised. Django 6.1 answers in a group of tasks, and puts that in the place of its cause.
    errors = [value["type"] for value in event.get("exception", {}).get("values", ())][-1:]
    spans = [[span.get("op"), span.get("description")] for span in event.get("spans", ())]
    # Those of Django's that have nothing to tidy up are not called (see engine/receivers.py).
    spans = [span for span in spans if span[0] != "event.django" or span[1] not in _TIDYING]
    spans = [span for span in spans if span not in _CONNECTING]
    asked = {name: value for name, value in event.get("request", {}).items() if name in ("url", "method", "data")}
    user = {name: str(value) for name, value in (event.get("user") or {}).items()}
    return [event.get("transaction"), event.get("logger"), event.get("level"), errors, spans, asked, user]


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(job["folder"])
    if job["application"] == "nothing":
        set_up(folder, is_template=True)
        return
    if job.get("sentry") is not None:
        _watch_sentry(job["sentry"])
    # Before models take the time as their default.
    clock = Clock(job["now"])
    set_up(folder)
    # What is padded at random is shorter than before, or is not.
    GZipMiddleware.max_random_bytes = 0
    _watch()
    bench = Bench(job, clock)
    names = job["stacks"] or (SENTRY if job.get("sentry") is not None else STACKS)
    Path(job["result"]).write_text(json.dumps({name: bench.run(name) for name in names}))


if __name__ == "__main__":
    # Settings name this module, which must be the same one.
    sys.modules["engine_compare"] = sys.modules["__main__"]
    main()
