"""Make Django's request from what the server says of it, without the work that an ordinary one does not need."""

from collections.abc import Callable
from functools import lru_cache
from threading import RLock
from typing import IO, Any, cast

import django
from django.core.handlers import asgi

from django_routehandlers.engine.live_settings import setting

_MOST_NAMES, _LONGEST = 1024, 64  # names that are remembered, and letters of one that is
# Since then Django takes cookies before all other fields.
_COOKIES_FIRST = django.VERSION >= (6, 0)


# Names of the request's own: what is to be given, and the lock of whoever gives it.
GIFTS, _LOCK = "_engine_gifts", "_engine_lock"


class _Later:
    """An attribute that a middleware gives each request, given when somebody looks at it: few do."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, request: "ASGIRequest | None", kind: type) -> Any:
        own: dict[str, Any] = {} if request is None else vars(request)
        if request is not None and self._name not in own:
            _give_all(request)
        try:
            return own[self._name]
        except KeyError:
            raise AttributeError(f"{kind.__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, request: "ASGIRequest", value: object) -> None:
        # The hooks have run before whatever replaces what they gave, and may need the one for the other.
        _give_all(request)
        vars(request)[self._name] = value

    def __delete__(self, request: "ASGIRequest") -> None:
        _give_all(request)
        try:
            del vars(request)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def _give_all(request: "ASGIRequest") -> None:
    own: dict[str, Any] = vars(request)
    if not own.get(GIFTS) and _LOCK not in own:
        return
    # Several threads may ask at once. Each finds all that there is, and what one thread sets meanwhile is not
    # given again.
    with own.setdefault(_LOCK, RLock()):
        gifts, own[GIFTS] = own[GIFTS], {}
        # The hooks come late: what was written with vars(request) replaces what they give.
        kept = {name: own[name] for name in gifts if name in own}
        for give in dict.fromkeys(gifts.values()):
            give(request)
        own.update(kept)


def give_later(request: object, names: tuple[str, ...], give: Callable[[Any], object], *, needs: str = "") -> bool:
    """
    Have *give*, a hook of a middleware, called when somebody looks at what it sets; return whether it will be.

    Args:
        names: The attributes that it sets.
        needs: One that has to be there before.
    """
    own = vars(request)
    gifts: dict[str, Callable[[Any], object]] | None = own.get(GIFTS)
    # A request of another kind, or one that a middleware has been at.
    if gifts is None or not own.keys().isdisjoint(names) or (needs and needs not in gifts and needs not in own):
        return False
    for name in names:
        gifts[name] = give
    return True


def is_due(request: object, name: str) -> bool:
    """Return whether an attribute of *request* is one to be given later, that nobody has asked for."""
    own = vars(request)
    return name in own.get(GIFTS, ()) and name not in own


class ASGIRequest(asgi.ASGIRequest):
    """
    Django's request, of this name, with the same attributes.

    Fields that come twice, cookies that end oddly and script names are left to Django's own
    constructor, where its releases differ.
    """

    session: Any = _Later()
    user: Any = _Later()
    auser: Any = _Later()
    _messages: Any = _Later()

    def __init__(self, scope: Any, body_file: IO[bytes]) -> None:
        # Name of an attribute → the hook that sets it, for those that nobody has asked for.
        vars(self)[GIFTS] = {}
        if scope.get("root_path") or setting("FORCE_SCRIPT_NAME") or not self._take(scope):
            super().__init__(scope, body_file)
            return
        self._stream: Any = body_file
        self.resolver_match = None
        self._post_parse_error = self._read_started = False

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy gets: all attributes, as Django would have set them."""
        _give_all(self)
        state = cast("dict[str, Any]", super().__getstate__())
        return {name: value for name, value in state.items() if name not in (GIFTS, _LOCK)}

    def _take(self, scope: Any) -> bool:
        """Set what *scope* says; return whether it could be taken as it is."""
        method: str = scope["method"].upper()
        path: str = scope["path"]
        query: Any = scope.get("query_string", "")
        meta: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "QUERY_STRING": query.decode() if isinstance(query, bytes) else query,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
        }
        if client := scope.get("client"):
            meta["REMOTE_ADDR"] = meta["REMOTE_HOST"] = client[0]
            meta["REMOTE_PORT"] = client[1]
        server = scope.get("server")
        meta["SERVER_NAME"], meta["SERVER_PORT"] = (server[0], str(server[1])) if server else ("unknown", "0")
        if not _take_fields(scope.get("headers", ()), meta):
            return False
        self.scope, self.META, self.method = scope, meta, method
        self.path, self.path_info, self.script_name = path, path, ""
        if "CONTENT_TYPE" in meta:
            request: Any = self
            request._set_content_type_params(meta)
        else:
            self.content_type, self.content_params = "", {}
        return True


LATER = tuple(name for name, value in vars(ASGIRequest).items() if isinstance(value, _Later))
"""The attributes that a request may be given later."""


def _take_fields(fields: Any, meta: dict[str, Any]) -> bool:
    """Put the fields of a request into *meta*; return whether each could be taken as it is."""
    taken: dict[str, str] = {}
    for name, value in fields:
        key = _known_name(name) if len(name) <= _LONGEST else _meta_name(name)
        if key is None:
            continue
        text: str = value.decode("latin1")
        if key in taken or (key == "HTTP_COOKIE" and text.endswith((";", " "))):
            return False
        taken[key] = text
    if _COOKIES_FIRST and "HTTP_COOKIE" in taken:
        meta["HTTP_COOKIE"] = taken["HTTP_COOKIE"]
    meta.update(taken)
    return True


def _meta_name(name: bytes) -> str | None:
    """Return the name of a field in ``META``; ``None`` for one that is not taken, as it could pass for another."""
    text = name.decode("latin1")
    if "_" in text:
        return None
    if text in ("content-length", "content-type"):
        return text.upper().replace("-", "_")
    return f"HTTP_{text.upper().replace('-', '_')}"


_known_name = lru_cache(maxsize=_MOST_NAMES)(_meta_name)
