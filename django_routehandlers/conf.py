"""Turn ``settings.ROUTEHANDLERS`` into one frozen object, read through ``get_config()``."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.functional import Promise

from django_routehandlers.exceptions import Mistake

SETTING = "ROUTEHANDLERS"
_SECONDS = ("STREAM_SEND_TIMEOUT", "CONTENT_RECEIVE_TIMEOUT", "STREAM_HEARTBEAT")

MAX_LIFETIME = 2**31 - 1
"""Seconds that no freshness lifetime exceeds: the most that every cache counts to (RFC 9111, section 1.2.2)."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of route handlers, with the defaults of those that are not set."""

    TRAILING_SLASH: bool = False
    """Whether the URLs of routes end in a slash; the other form answers 308."""
    PREFIXES: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """App label → URL path below which that app's routes are served, such as ``"shop/"``."""
    OPENAPI_PATH: str | None = "openapi.json"
    """Where the OpenAPI document is served, below the routes; ``None`` for nowhere."""
    OPENAPI_UI_PATH: str | None = "openapi/"
    """Where the page that shows the document is served, with its last slash; ``None`` for nowhere."""
    OPENAPI_UI: bool = False
    """Whether the page is served without ``DEBUG`` too."""
    OPENAPI_INFO: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Members of the document's Info Object (OpenAPI 3.1, section 4.8.2), laid over a title and a version."""
    EXPLORER_PATH: str | None = "_routes/"
    """Where the page that explores the routes is served, behind them, with its last slash; ``None`` for nowhere."""
    EXPLORER: bool = False
    """Whether staff users are shown that page without ``DEBUG`` too."""
    VALIDATE_RESPONSES: bool | None = None
    """Whether responses are held against their return annotations; ``None``: under ``DEBUG`` and while tests run."""
    MAX_OPEN_STREAMS: int | None = 10_000
    """Streams that a process has open before routes answer 503 to further ones; ``None`` for any number."""
    STREAM_SEND_TIMEOUT: float | None = 60.0
    """Seconds that a client may take nothing of a stream before it is cut off (ASGI); ``None`` for any time."""
    CONTENT_RECEIVE_TIMEOUT: float | None = 60.0
    """Seconds that a client may send nothing of its content before it is answered 408 (ASGI); ``None`` for any time."""
    STREAM_HEARTBEAT: float | None = 15.0
    """Seconds of silence after which an event stream sends a comment; ``None`` for never."""
    CACHE_ENABLED: bool | None = None
    """Whether the route cache keeps anything; ``None``: everywhere but under ``DEBUG``."""
    CACHE: str = "default"
    """Alias of the backend among ``CACHES`` that holds the entries."""
    DEFAULT_REVALIDATE: int | bool = 60
    """Freshness lifetime, in seconds, of routes that state none; ``False`` for until invalidated."""
    CACHE_CONTEXT: Sequence[str] = ()
    """Dotted paths of context variables that cached handlers see, and whose values are part of the key."""
    BUILD_ID: str | None = None
    """What tells deploys apart; ``None``: a digest of the source of the apps that hold routes."""
    LOCAL_TIER: bool = True
    """Whether a process keeps entries in its memory, and trusts versions of tags for up to a second."""
    LOCAL_TIER_SIZE: int = 64 * 1024 * 1024
    """Bytes that the entries in the memory of a process may take."""
    MAX_CACHED_BODY: int = 2 * 1024 * 1024
    """Bytes beyond which a body is served but not kept."""
    BACKGROUND_REFRESH: bool = True
    """Whether a stale entry is served once more while it is refreshed; else the request waits."""
    STORE_TIMEOUT: float = 0.04
    """Seconds that the backend of the cache may take for an answer before it counts as down."""
    CORS: object = None
    """Which other origins routes answer: a ``CORS``, or its arguments as a dict; ``None``: none."""
    SECURITY: Any = None
    """How clients prove who they are, an OpenAPI Security Scheme Object; ``None``: routes do not say."""
    CSRF: str = "origin"
    """The rule by which routes judge unsafe requests: ``"origin"``, ``"token"`` or ``"exempt"``."""
    THROTTLE: object = None
    """How often clients may ask routes that say nothing themselves: what `throttle` may be; ``None``: any number."""
    THROTTLE_ENABLED: bool = True
    """Whether limits are counted at all."""
    THROTTLE_CACHE: str | None = None
    """Alias among ``CACHES`` of the Redis server that counts; ``None``: that of ``CACHE``."""
    THROTTLE_FAILURE: str = "pass"
    """What becomes of requests that cannot be counted: ``"pass"`` or ``"refuse"``."""
    PROXY_COUNT: int = 0
    """Proxies of one's own before the server that add to ``X-Forwarded-For``; 0: the field is not believed."""
    WORKER_THREADS: int = 40
    """Threads of a process that run sync code of requests at a time (ASGI); a request that finds all at work waits."""

    MAX_DURATION: float | None = None
    """Seconds that a handler may take, where its route does not say; ``None`` for any time."""
    MAX_OVERDUE_THREADS: int = 10
    """Threads of a process that run handlers whose clients have been answered 504, before others are answered 503."""


@lru_cache(maxsize=1)
def get_config() -> Config:
    """Return the settings in force. A value of the wrong type counts as not set: a check reports it."""
    return read_config(getattr(settings, SETTING, {}))[0]


def read_config(value: object) -> tuple[Config, tuple[Mistake, ...]]:
    """Return the configuration that *value* means, and what is wrong with it."""
    if not isinstance(value, Mapping):
        what = f"must be a dict, not {type(value).__name__}."
        return Config(), (_mistake("E001", SETTING, what, f"Write {SETTING} = {{…}}."),)
    known: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    names = [setting.name for setting in fields(Config)]
    for key, entry in cast("Mapping[object, object]", value).items():
        where = f"{SETTING}[{key!r}]"
        if key not in names:
            mistakes.append(_mistake("E002", where, "is not a setting.", _nearest(str(key), names)))
        elif problem := _wrong_type(str(key), entry):
            mistakes.append(_mistake("E001", where, *problem))
        else:
            known[str(key)] = entry
    return Config(**known), tuple(mistakes)


def _wrong_type(key: str, value: object) -> tuple[str, str] | None:
    if key in ("TRAILING_SLASH", "OPENAPI_UI", "EXPLORER") and not isinstance(value, bool):
        return f"must be True or False, not {value!r}.", "Write True or False."
    if key == "PREFIXES" and not (
        isinstance(value, Mapping)
        and all(isinstance(part, str) for pair in cast("Mapping[object, object]", value).items() for part in pair)
    ):
        return f"must map app labels to URL paths, not {value!r}.", 'Write {"shop": "shop/"}.'
    paths = {"OPENAPI_PATH": "openapi.json", "OPENAPI_UI_PATH": "openapi/", "EXPLORER_PATH": "_routes/"}
    if key in paths and not isinstance(value, str | None):
        return f"must be a URL path or None, not {value!r}.", f'Write "{paths[key]}" or None.'
    if key == "VALIDATE_RESPONSES" and not isinstance(value, bool | None):
        return f"must be True, False or None, not {value!r}.", "Write True, False or None."
    if key == "MAX_OPEN_STREAMS" and not _is_positive(cast("object", value), int):
        return f"must be a number of streams or None, not {value!r}.", "Write 10_000 or None."
    if key in _SECONDS and not _is_positive(cast("object", value), int, float):
        return f"must be a number of seconds or None, not {value!r}.", "Write 15 or None."
    if key == "OPENAPI_INFO" and (wrong := _wrong_info(cast("object", value))):
        return wrong, 'Write {"title": "Shop", "version": "1.0.0"}.'
    if key == "MAX_DURATION" and not is_duration(cast("object", value)):
        return f"must be a number of seconds above 0 or None, not {value!r}.", "Write 30 or None."
    threads = {"WORKER_THREADS": 40, "MAX_OVERDUE_THREADS": 10}
    if key in threads and (value is None or not _is_positive(cast("object", value), int)):
        return f"must be a number of threads, not {value!r}.", f"Write {threads[key]}."
    return _wrong_policy(key, cast("object", value)) or _wrong_cache_setting(key, cast("object", value))


def _wrong_policy(key: str, value: object) -> tuple[str, str] | None:
    if key == "CORS" and not (value is None or isinstance(value, Mapping) or type(value).__name__ == "CORS"):
        what = f"must be a CORS, its arguments as a dict, or None, not {value!r}."
        return what, 'Write {"origins": ["https://app.example.com"]}.'
    if key == "THROTTLE_ENABLED" and not isinstance(value, bool):
        return f"must be True or False, not {value!r}.", "Write True or False."
    if key == "THROTTLE_CACHE" and not (value is None or (isinstance(value, str) and value)):
        return f"must be an alias among CACHES or None, not {value!r}.", 'Write "default".'
    if key == "THROTTLE_FAILURE" and value not in ("pass", "refuse"):
        return f'must be "pass" or "refuse", not {value!r}.', 'Write "pass".'
    if key == "PROXY_COUNT" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return f"must be a number of proxies, not {value!r}.", "Write 1, or 0 for none."
    if key == "CSRF" and value not in ("origin", "token", "exempt"):
        return f'must be "origin", "token" or "exempt", not {value!r}.', 'Write "origin".'
    return None


def _wrong_cache_setting(key: str, value: object) -> tuple[str, str] | None:
    if key in ("LOCAL_TIER", "BACKGROUND_REFRESH") and not isinstance(value, bool):
        return f"must be True or False, not {value!r}.", "Write True or False."
    if key == "CACHE_ENABLED" and not isinstance(value, bool | None):
        return f"must be True, False or None, not {value!r}.", "Write True, False or None."
    if key == "CACHE" and not (isinstance(value, str) and value):
        return f"must be an alias among CACHES, not {value!r}.", 'Write "default".'
    if key == "BUILD_ID" and not (value is None or (isinstance(value, str) and value)):
        return f"must be text or None, not {value!r}.", "Write the id of the commit that is deployed, or None."
    if key == "DEFAULT_REVALIDATE" and not is_lifetime(value):
        return f"must be a whole number of seconds or False, not {value!r}.", "Write 60, 0 for never, or False."
    if key in ("LOCAL_TIER_SIZE", "MAX_CACHED_BODY") and (value is None or not _is_positive(value, int)):
        return f"must be a number of bytes, not {value!r}.", "Write 2 * 1024 * 1024."
    if key == "STORE_TIMEOUT" and (value is None or not _is_positive(value, int, float)):
        return f"must be a number of seconds above 0, not {value!r}.", "Write 0.04."
    if key == "CACHE_CONTEXT" and not (
        isinstance(value, list | tuple)
        and all(isinstance(path, str) and "." in path for path in cast("Sequence[object]", value))
    ):
        return f"must be a list of dotted paths, not {value!r}.", 'Write ["shop.tenants.current_tenant"].'
    return None


def is_lifetime(value: object) -> bool:
    """Return whether *value* is a freshness lifetime: whole seconds, or ``False`` for until invalidated."""
    return value is False or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_LIFETIME)


def is_duration(value: object) -> bool:
    """Return whether *value* is a number of seconds above 0, or ``None`` for any time."""
    return _is_positive(value, int, float)


def _is_positive(value: object, *kinds: type) -> bool:
    """Return whether *value* is None, or a number above 0 of one of *kinds*."""
    if value is None:
        return True
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 < cast("float", value) < math.inf


def _wrong_info(value: object) -> str | None:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) for key in cast("Mapping[object, object]", value)
    ):
        return f"must be a dict of the Info Object's members, not {value!r}."
    info = cast("Mapping[str, object]", value)
    for name in ("title", "version"):
        if not isinstance(info.get(name, ""), str | Promise):
            return f"must have text as its {name}, not {info[name]!r}."
    return None


def _nearest(key: str, names: list[str]) -> str:
    close = difflib.get_close_matches(key.upper(), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known settings: {', '.join(names)}."


def _mistake(id: str, where: str, what: str, remedy: str) -> Mistake:
    return Mistake(file="", line=0, id=id, where=where, what=what, remedy=remedy)


def _clear_config(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        get_config.cache_clear()


setting_changed.connect(_clear_config, dispatch_uid="django_routehandlers.conf")
