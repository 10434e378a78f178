"""
Make requests at random, the same ones for the same seed, by clients that log in, submit forms and go on.

A request names what only its client knows, such as the token of the form that it got last; who sends
it puts that in. What is odd is made as often as what is usual.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

from engine_middleware import TROUBLES

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=edge"
TOKEN = "TOKEN-OF-THE-CLIENT"
"""Stands for the CSRF token that the client got last."""


@dataclass(frozen=True)
class Sent:
    """A request."""

    client: int = 0
    method: str = "GET"
    path: str = "/"
    """As servers give it, decoded."""
    query: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pieces: int = 1
    """In how many messages the content arrives."""
    token: str = ""
    """How the CSRF token is sent: ``field``, ``header``, ``wrong`` or not at all."""
    leaves: str = ""
    """Whether the client leaves ``while`` it sends, or ``later``, when no more comes."""
    scope: Mapping[str, str] = field(default_factory=dict)
    """What else a server says."""
    is_conditional: bool = False
    """Whether it tells which version of this URL the client has."""
    splits_cookies: bool = False
    """Whether each cookie has a field of its own."""


Fields = Sequence[tuple[str, str]]
Recipe = Callable[[random.Random], Sent]

PAGES = (
    "/", "/text/", "/text", "/sync/", "/page/", "/page", "/template/", "/a/template/", "/echo/", "/a/echo/",
    "/class/7/", "/class/7", "/class/x/", "/a/class/slug/", "/view/", "/object/", "/a/object/", "/unmodified/",
    "/file/", "/a/file/", "/private/", "/a/private/", "/permitted/", "/public/", "/a/lazy/", "/form/", "/a/form/",
    "/say/", "/a/say/", "/hear/", "/a/hear/", "/write/", "/a/write/", "/mixed/", "/a/mixed/", "/cache/", "/a/cache/",
    "/urlconf/", "/language/", "/rotate/", "/close/", "/a/close/", "/close/bad/", "/fields/", "/fields/bad/",
    "/exempt/", "/a/exempt/", "/protect/", "/a/protect/", "/ensure/", "/requires/", "/frames/exempt/",
    "/frames/same/", "/cached/", "/a/control/", "/vary/", "/gzip/", "/post/", "/safe/", "/condition/", "/sensitive/",
    "/unslashed", "/unslashed/", "/optional/", "/optional/word", "/translated/", "/fr/translated/",
    "/fr/translated", "/de/translated/echo/", "/en/translated/", "/xx/translated/", "/stream/", "/a/stream/",
    "/a/stream/large/", "/large/16/", "/large/70000/", "/large/300000/", "/static/plain.txt", "/static/none.txt",
    "/about/", "/about", "/moved/", "/gone/", "/nowhere", "/nowhere/", "/text/../", "//text/", "/session/broken/",
)  # fmt: skip
ROUTES = (
    "/api/hello", "/api/hello/", "/api/echo?word=x", "/api/echo", "/api/users/1", "/api/users/99", "/api/users/x",
    "/api/lines?count=4", "/api/broken", "/api/none",
)  # fmt: skip
FAILURES = tuple(
    f"{prefix}/fail/{kind}/"
    for prefix in ("", "/a")
    for kind in ("404", "403", "400", "suspicious", "500", "exit", "unicode")
) + tuple(f"{prefix}/odd/{kind}/" for prefix in ("", "/a") for kind in ("none", "text", "number", "coroutine"))
MORE_FAILURES = (
    "/odd/template-none/", "/template/broken/", "/a/template/missing/", "/stream/breaking/", "/a/stream/breaking/",
    "/write/?fail", "/a/write/?fail", "/write/?error", "/write/free/", "/session/lost/", "/fields/bad/?value=%0A",
)  # fmt: skip
DEEDS = ("set", "nested", "delete", "flush", "cycle", "expire", "test", "read")
ADEEDS = ("set", "flush", "cycle", "delete", "save", "lazy", "read")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "PROPFIND", "")
HOSTS = (
    "testserver", "testserver:80", "TESTSERVER", "evil.org", "www.example.com", "example.com:8000", "", "a b", "a_b",
    "[::1]", "testserver.", "testserver:port", "evil.org@testserver", "caf\xe9.example.com",
)  # fmt: skip
QUERIES = (
    b"", b"a=1", b"a=1&a=2", b"a=%zz", b"a=%ff", b"\xff", b"a=" + b"x" * 3000, b"&&=&", b"a=caf%C3%A9", b"next=/text/",
    b"&".join(b"k%d=v" % number for number in range(60)), b"a;b", b"%00",
)  # fmt: skip
PATHS = (
    "/optional/caf\xe9", "/text/\x00", "/text/\n", "/caf\xe9", "/\ufffd", "/a b/", "/%2e/", "*", "", "text/", "/?",
    "/class/" + "9" * 40 + "/", "/optional/" + "x" * 4000, "/#", "/;a=b/text/", "/nowhere/\u2603",
)  # fmt: skip
FIELDS = (
    ("accept", "text/html"), ("accept", "*/*;q=0.1, application/json"), ("accept-language", "fr"),
    ("accept-language", "de-AT, xx;q=0.5"), ("accept-encoding", "gzip, br"), ("accept-encoding", "identity"),
    ("user-agent", "Bad/1.0"), ("user-agent", "Mozilla/5.0 (bot)"), ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "www.example.com"), ("x-forwarded-for", "1.2.3.4"), ("origin", "https://example.com"),
    ("origin", "null"), ("origin", "http://testserver"), ("referer", "http://testserver/from/"),
    ("referer", "https://elsewhere.org/"), ("if-none-match", '"e"'), ("if-none-match", "*"),
    ("if-modified-since", "Wed, 01 Jan 2020 00:00:00 GMT"), ("if-modified-since", "nonsense"),
    ("range", "bytes=0-3"), ("x-a", "1"), ("x-a", "2"), ("x-a", "caf\xe9"), ("x_a", "underscore"),
    ("cookie", "a=1; b=2"), ("cookie", "broken"), ("cookie", 'quoted="a b"; sessionid=nobody'),
    ("cookie", "csrftoken=x"),
    ("cookie", "messages=forged; language=de"), ("cookie", "django_language=fr"), ("cookie", "django_language=xx"),
    ("connection", "keep-alive"), ("content-length", "7"), ("content-type", "text/plain; charset=latin-1"),
    ("content-type", "nonsense"), ("transfer-encoding", "chunked"),
    ("x-trusted", "1"), ("x-requested-with", "XMLHttpRequest"),
    ("access-control-request-method", "PUT"), ("sec-fetch-site", "cross-site"), ("authorization", "Basic x"),
    ("x-read", "stream"), ("cache-control", "max-age=0"), ("host", "second"),
)  # fmt: skip
PHASES = ("request", "view", "template", "response", "exception")
WHOSE = ("", "", "hooks/", "inner/", "class/", "async/", "function/")
USERS = ("ada", "bob", "zoe")
TYPES = (FORM, MULTIPART, "application/json", "text/plain", "", "multipart/form-data", FORM + "; charset=nonsense")


def _target(text: str) -> Sent:
    path, _, query = text.partition("?")
    return Sent(path=path, query=query.encode())


def _page(chance: random.Random) -> Sent:
    return _target(chance.choice(PAGES))


def _route(chance: random.Random) -> Sent:
    return replace(_target(chance.choice(ROUTES)), method=chance.choice(("GET", "GET", "HEAD", "OPTIONS", "PUT")))


def _failure(chance: random.Random) -> Sent:
    return _target(chance.choice(chance.choice((FAILURES, FAILURES, MORE_FAILURES))))


def _session(chance: random.Random) -> Sent:
    soon = chance.choice(("", "?soon"))
    is_async = chance.random() < 0.4
    return _target(f"/a/session/{chance.choice(ADEEDS)}/" if is_async else f"/session/{chance.choice(DEEDS)}/{soon}")


def _status(chance: random.Random) -> Sent:
    return _target(
        f"{chance.choice(('', '/a'))}/status/{chance.choice((200, 201, 204, 301, 304, 404, 410, 418, 500, 503))}/"
    )


def _form(path: str, values: Mapping[str, str], token: str = "field") -> Sent:
    return Sent(
        method="POST", path=path, body=urlencode(values).encode(), fields=(("content-type", FORM),), token=token
    )


def _login(chance: random.Random) -> Sent:
    name = chance.choice((*USERS, "nobody"))
    path = chance.choice(("/accounts/login/", "/a/login/"))
    return _form(path, {"name": name, "password": f"{name}'s"}, chance.choice(("field", "")))


def _logout(chance: random.Random) -> Sent:
    return Sent(path=chance.choice(("/logout/", "/a/logout/")))


def _submission(chance: random.Random) -> Sent:
    path = chance.choice(
        ("/form/", "/a/form/", "/echo/", "/a/echo/", "/exempt/", "/a/exempt/", "/protect/", "/sensitive/")
    )
    token = chance.choice(("field", "field", "header", "wrong", ""))
    return _form(path, {"a": chance.choice(("x", "caf\xe9", "y" * 300)), "password": "p"}, token)


def _language(chance: random.Random) -> Sent:
    return _form("/i18n/setlang/", {"language": chance.choice(("fr", "de", "xx")), "next": "/translated/"})


def _upload(chance: random.Random) -> Sent:
    size = chance.choice((0, 10, 5_000, 120_000, 260_000))
    parts = [_part("a", "a value"), _part("file", "z" * size, "name.txt"), _part("file", "second", "caf\xe9.bin")]
    body = b"".join(parts) + b"--edge--\r\n"
    if chance.random() < 0.2:
        body = body[: len(body) // 2]
    path = chance.choice(("/exempt/", "/a/exempt/", "/echo/", "/a/protect/"))
    return Sent(
        method="POST",
        path=path,
        body=body,
        fields=(("content-type", MULTIPART),),
        token=chance.choice(("field", "header", "")),
        pieces=chance.choice((1, 2, 7)),
    )


def _part(name: str, value: str, filename: str = "") -> bytes:
    of_file = f'; filename="{filename}"\r\nContent-Type: text/plain' if filename else ""
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n{value}\r\n'.encode()


def _json(chance: random.Random) -> Sent:
    path = chance.choice(("/json/", "/api/echo", "/a/exempt/", "/exempt/"))
    body = chance.choice(
        (
            b'{"product": 7}',
            b'{"product": "x"}',
            b"[1, 2",
            b"",
            json.dumps({"product": 1, "note": "x" * 250_000}).encode(),
        )
    )
    return Sent(
        method="POST",
        path=path,
        body=body,
        fields=(("content-type", "application/json"),),
        pieces=chance.choice((1, 3)),
    )


def _content(chance: random.Random) -> Sent:
    body = chance.choice((b"", b"a=1&b=2", b"\xff\xfe", b"&".join(b"k%d=v" % n for n in range(60)), b"x" * 250_000))
    return Sent(
        method=chance.choice(("POST", "PUT", "PATCH", "GET", "DELETE")),
        path=chance.choice(("/exempt/", "/a/exempt/", "/json/", "/api/hello", "/nowhere/")),
        body=body,
        fields=(("content-type", chance.choice(TYPES)), *chance.choice(((), (("x-read", "stream"),)))),
        pieces=chance.choice((1, 4)),
    )


def _odd(chance: random.Random) -> Sent:
    sent = Sent(path=chance.choice(PATHS)) if chance.random() < 0.5 else _page(chance)
    return replace(sent, method=chance.choice(METHODS), query=chance.choice(QUERIES))


def _host(chance: random.Random) -> Sent:
    host = chance.choice(HOSTS)
    fields = () if host == "" else (("host", host),)
    return replace(_page(chance), fields=fields, scope={"host": "given"})


def _mounted(chance: random.Random) -> Sent:
    root = chance.choice(("/app", "/app/", "app", "/caf\xe9"))
    sent = _page(chance)
    is_within = chance.random() < 0.7
    path = root.rstrip("/") + sent.path if is_within else sent.path
    return replace(sent, path=path, scope={"root_path": root})


def _other_server(chance: random.Random) -> Sent:
    says = chance.choice(
        ({"scheme": "https"}, {"http_version": "2"}, {"client": ""}, {"server": ""}, {"scheme": "ftp"})
    )
    return replace(_page(chance), scope=says)


def _asked(chance: random.Random) -> Sent:
    deeds = [f"{chance.choice(WHOSE)}{chance.choice(PHASES)}:{chance.choice(sorted(TROUBLES))}"]
    if chance.random() < 0.3:
        deeds.append(f"{chance.choice(PHASES)}:{chance.choice(sorted(TROUBLES))}")
    sent = chance.choice((_page, _page, _failure, _session, _submission))(chance)
    if any("template" in deed for deed in deeds):
        sent = _target(chance.choice(("/template/", "/a/template/", "/view/", "/template/broken/")))
    return replace(sent, fields=(*sent.fields, ("x-ask", ",".join(deeds))))


def _leaving(chance: random.Random) -> Sent:
    path = chance.choice(("/a/endless/", "/a/stubborn/", "/a/stream/endless/"))
    sent = Sent(path=path, leaves="later")
    if chance.random() < 0.3:
        sent = replace(sent, path="/exempt/", method="POST", body=b"half of it", leaves="while")
    return sent


def _allauth(chance: random.Random) -> Sent:
    name = chance.choice(USERS)
    forms = (
        _target("/allauth/login/"),
        _form("/allauth/login/", {"login": name, "password": f"{name}'s"}),
        _form("/allauth/login/", {"login": name, "password": "wrong"}),
        _target("/allauth/signup/"),
        _form(
            "/allauth/signup/",
            {"username": f"new{chance.randrange(9)}", "password1": "correct horse", "password2": "correct horse"},
        ),
        _form("/allauth/logout/", {}),
        _target("/allauth/password/change/"),
    )
    return chance.choice(forms)


def _cors(chance: random.Random) -> Sent:
    origin = ("origin", chance.choice(("https://example.com", "https://evil.org", "null")))
    method = ("access-control-request-method", chance.choice(("PUT", "GET")))
    sent = chance.choice((_page, _route, _submission))(chance)
    if chance.random() < 0.5:
        return replace(sent, method="OPTIONS", fields=(origin, method))
    return replace(sent, fields=(*sent.fields, origin))


RECIPES: Mapping[Recipe, int] = {
    _page: 20, _route: 5, _failure: 9, _session: 9, _status: 4, _login: 7, _logout: 1, _submission: 9, _language: 2,
    _upload: 4, _json: 3, _content: 4, _odd: 7, _host: 4, _mounted: 3, _other_server: 2, _asked: 14, _leaving: 2,
}  # fmt: skip


def _dressed(sent: Sent, chance: random.Random) -> Sent:
    """Return a request with what browsers, proxies and attackers add."""
    fields = [*sent.fields, *(chance.choice(FIELDS) for _ in range(chance.choice((0, 0, 1, 1, 2, 4))))]
    if chance.random() < 0.04:
        fields += [("cookie", f"c{number}=v{number}") for number in range(40)]
    if sent.method == "GET" and chance.random() < 0.08:
        sent = replace(sent, method=chance.choice(("HEAD", "HEAD", "POST", "OPTIONS")))
    if chance.random() < 0.03:
        fields += [("remote-user", chance.choice(USERS))]
    return replace(
        sent,
        fields=tuple(fields),
        query=chance.choice(QUERIES) if not sent.query and chance.random() < 0.1 else sent.query,
        is_conditional=chance.random() < 0.15,
        splits_cookies=chance.random() < 0.1,
    )


def make_requests(
    seed: str, count: int, *, clients: int = 4, extra: Sequence[str] = (), fields: Fields = ()
) -> list[Sent]:
    """
    Return requests.

    Args:
        extra: Names of recipes for this stack alone.
        fields: What most requests say besides.
    """
    chance = random.Random(seed)
    recipes = {**RECIPES, **{globals()[name]: 40 for name in extra}}
    made = chance.choices(list(recipes), list(recipes.values()), k=count)
    sent = [replace(_dressed(recipe(chance), chance), client=chance.randrange(clients)) for recipe in made]
    return [replace(one, fields=(*one.fields, *fields)) if chance.random() < 0.8 else one for one in sent]


def raw_path(sent: Sent) -> bytes:
    """Return the path as a client sends it."""
    return quote(sent.path, safe="/;:@&=+$,*").encode()


def make_conversations(seed: str, clients: int, count: int) -> list[list[Sent]]:
    """
    Return for each of *clients* the requests that it sends in turn, none of which another's can change.

    Each has a language and a user of its own.
    """
    pages = (
        "/echo/",
        "/a/echo/",
        "/page/",
        "/a/template/",
        "/a/mixed/",
        "/private/",
        "/a/private/",
        "/text/",
        "/sync/",
    )
    more = ("/hear/", "/a/hear/", "/say/", "/a/say/", "/session/set/", "/a/session/set/", "/a/stream/", "/stream/")
    rest = ("/translated/", "/fail/500/", "/a/fail/404/", "/language/", "/nowhere", "/api/hello", "/api/users/1")
    chance = random.Random(seed)
    conversations: list[list[Sent]] = []
    for client in range(clients):
        name = f"user{client}"
        login = _form(chance.choice(("/accounts/login/", "/a/login/")), {"name": name, "password": f"{name}'s"}, "")
        made = [login, *(_target(chance.choice((*pages, *more, *rest))) for _ in range(count))]
        language = ("accept-language", ("en", "fr")[client % 2])
        conversations.append([replace(sent, client=client, fields=(*sent.fields, language)) for sent in made])
    return conversations
