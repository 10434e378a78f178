"""
Decide at start-up whether the GET of a route is cached, for how long, and on what it depends.

The signature decides: what takes the request, the user, a cookie or the ``Authorization`` field may
depend on who asks. Anything else cannot, and is cached unless the file says otherwise.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, cast

from django.db.models import Model

from django_routehandlers.caching.schema import tables_of
from django_routehandlers.conf import is_lifetime
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import Fault, is_async, is_passed_the_request
from django_routehandlers.handlers.inputs import Input
from django_routehandlers.routing.segments import Segment, SegmentKind

Dynamic = Literal["auto", "force-dynamic", "force-static", "error"]
DYNAMIC: tuple[str, ...] = ("auto", "force-dynamic", "force-static", "error")
CACHE_NAMES = ("dynamic", "revalidate", "tags", "depends_on", "generate_static_params", "dynamic_params")
"""Module variables that configure the cache of a route."""

# Fields that say who asks (RFC 9110, section 11; RFC 6265, section 5.4).
_PERSONAL_FIELDS = frozenset({"authorization", "proxy-authorization", "cookie"})

Tags = tuple[str, ...] | Callable[..., Iterable[str]]


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Whether and how the responses of a GET are kept."""

    why_dynamic: str | None = None
    """Why nothing is kept, in a few words; ``None`` where something is."""
    lifetime: float | None = 60.0
    """Freshness lifetime in seconds; ``None`` until it is invalidated."""
    tags: Tags = ()
    tables: tuple[str, ...] | None = None
    """Tables that the file names; ``None``: those that are seen to be read."""
    follows_tables: bool = True
    """Whether the tables that queries read are recorded."""
    is_forced: bool = False
    """Whether it takes a request, which shows nothing of the client."""
    static_params: Callable[[], Any] | None = None
    """What lists the segments that are known ahead."""
    has_other_params: bool = True
    """Whether other segments than those are served."""
    segments: tuple[str, ...] = ()
    """Names of the dynamic segments."""
    optional: tuple[str, ...] = ()
    """That of them which may be missing."""

    @property
    def is_cached(self) -> bool:
        """Whether anything is kept."""
        return self.why_dynamic is None


class PolicyReader:
    """
    Reads the policy of a GET off the config of its file, collecting what is wrong.

    Args:
        config: Those of ``CACHE_NAMES`` that the file defines.
        line_of: Returns the line on which the file defines a name.
        default: The setting ``DEFAULT_REVALIDATE``.
        why_dynamic: Why no GET of the file may be cached, whatever its handler is; ``None`` where it may.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        line_of: Callable[[str], int],
        default: int | bool,
        why_dynamic: str | None = None,
    ) -> None:
        self._config, self._line_of, self._default, self._why = config, line_of, default, why_dynamic
        self.faults: list[Fault] = []

    def read(self, handler: BoundHandler | None, segments: Sequence[Segment]) -> CachePolicy:
        """
        Return the policy.

        Args:
            handler: The bound handler of GET; ``None`` where the file has none.
            segments: The dynamic segments of the route's URL.
        """
        dynamic = self._checked("dynamic", "auto", lambda value: value in DYNAMIC, _one_of(DYNAMIC), '"auto"')
        lifetime = self._lifetime()
        tags = self._tags([segment.text for segment in segments])
        tables, follows = self._depends_on()
        static_params = self._static_params(bool(segments))
        others = self._checked("dynamic_params", True, _is_bool, "True or False", "False")
        if others is False and static_params is None:
            self._fault("E059", "dynamic_params", "`dynamic_params = False` needs generate_static_params().", "Add it.")
        if handler is None:
            self._unused("the file has no GET")
            return CachePolicy("no GET")
        why = self._why_dynamic(handler, dynamic, lifetime)
        if why is not None:
            self._unused(why)
        return CachePolicy(
            why_dynamic=why,
            lifetime=lifetime,
            tags=tags,
            tables=tables,
            follows_tables=follows,
            is_forced=dynamic == "force-static" and handler.plan.request is not None,
            static_params=static_params,
            has_other_params=others is not False or static_params is None,
            segments=tuple(segment.text for segment in segments),
            optional=tuple(one.text for one in segments if one.kind is SegmentKind.OPTIONAL_CATCH_ALL),
        )

    def _why_dynamic(self, handler: BoundHandler, dynamic: Dynamic, lifetime: float | None) -> str | None:
        why = _why_dynamic(handler) or self._why
        if dynamic == "error" and why is not None:
            what = f'`dynamic = "error"`, but GET is dynamic: {why}.'
            self._fault("E058", "dynamic", what, "Take it out of GET, or remove `dynamic`.")
        if dynamic == "force-static":
            return self._forced(handler)
        if dynamic == "force-dynamic":
            return 'dynamic = "force-dynamic"'
        return why or ("revalidate = 0" if lifetime == 0 else None)

    def _forced(self, handler: BoundHandler) -> str | None:
        why = _why_dynamic(handler) or self._why
        if why == "takes the request" and not is_passed_the_request(handler.function):
            return (_why_dynamic(handler, but_request=True) or self._why) and self._not_forced(handler)
        return None if why is None else self._not_forced(handler)

    def _not_forced(self, handler: BoundHandler) -> str:
        why = _why_dynamic(handler, but_request=True) or self._why or "a decorator of it is passed the request"
        what = f'`dynamic = "force-static"`, but GET cannot be cached: {why}.'
        self._fault("E061", "dynamic", what, "Take it out of GET, or remove `dynamic`.")
        return why

    def _lifetime(self) -> float | None:
        shown = "a whole number of seconds, 0 for never, or False for until it is invalidated"
        value = self._checked("revalidate", self._default, is_lifetime, shown, "60")
        return None if value is False else float(value)

    def _tags(self, segments: Sequence[str]) -> Tags:
        value = self._config.get("tags", ())
        shown = "a list of str, or a plain function of the segments that returns one"
        if inspect.isfunction(value) and not is_async(value):
            if others := (names_taken(value) or frozenset()) - set(segments):
                what = f"tags() takes {', '.join(sorted(others))}, of which no segment has the name. It is {shown}."
                taken = ", ".join(segments) or "nothing"
                self._fault("E035", "tags", what, f"Have it take {taken}.")
                return ()
            return cast("Tags", value)
        return tuple(self._checked("tags", (), _is_texts, shown, '["products"]'))

    def _depends_on(self) -> tuple[tuple[str, ...] | None, bool]:
        if "depends_on" not in self._config:
            return None, True
        shown = "None, or a list of models and names of tables"
        value = self._checked("depends_on", None, _is_models, shown, "[Product]")
        if value is None:
            return (), False
        try:
            return tables_of(value), False
        except LookupError as error:
            what = f"depends_on is {value!r}. {error} It is {shown}."
            self._fault("E035", "depends_on", what, "Write the model: `depends_on = [Product]`.")
            return (), False

    def _static_params(self, has_segments: bool) -> Callable[[], Any] | None:
        shown = "a function without parameters that returns a list of dicts"
        value = self._checked("generate_static_params", None, _is_thunk, shown, "async def generate_static_params(): …")
        if value is not None and not has_segments:
            what = "the route has no dynamic segments that generate_static_params() could list."
            self._fault("E059", "generate_static_params", what, "Remove it.")
        return value

    def _checked(self, name: str, default: Any, is_right: Callable[[Any], bool], rule: str, example: str) -> Any:
        value = self._config.get(name, default)
        if name not in self._config or is_right(value):
            return value
        written = example if name in example else f"{name} = {example}"
        remedy = f"Write `{written}`, or name it `_{name}` if it is yours."
        if name == "dynamic" and (close := get_close_matches(str(value), DYNAMIC, n=1)):
            remedy = f'Write `dynamic = "{close[0]}"`.'
        given = f"{name}() is async" if inspect.isfunction(value) and is_async(value) else f"{name} is {value!r}"
        self._fault("E035", name, f"{given}. It is {rule}.", remedy)
        return default

    def _unused(self, why: str) -> None:
        for name in ("revalidate", "tags", "depends_on", "generate_static_params", "dynamic_params"):
            if name in self._config and not (name == "revalidate" and self._config[name] == 0):
                subject = "GET " if why.partition(" ")[0] in ("takes", "reads", "streams") else ""
                what = f"`{name}` has no effect: nothing of this route is cached, since {subject}{why}."
                self._fault("W060", name, what, f"Remove `{name}`.")

    def _fault(self, id: str, name: str, what: str, remedy: str) -> None:
        self.faults.append(Fault(id, self._line_of(name), what, remedy))


def _why_dynamic(handler: BoundHandler, *, but_request: bool = False) -> str | None:
    plan = handler.plan
    if plan.request is not None and not but_request:
        return "takes the request"
    if plan.user is not None:
        return "takes the user"
    for one in plan.values:
        if isinstance(one, Input) and one.place == "cookie":
            return f"reads the cookie {one.key}"
        if isinstance(one, Input) and one.place == "header" and one.key.lower() in _PERSONAL_FIELDS:
            return f"reads the field {one.key}"
    function = inspect.unwrap(handler.function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "streams"
    return "streams" if handler.returns.is_stream else None


def names_taken(function: Callable[..., Any]) -> frozenset[str] | None:
    """Return the parameters of *function*; ``None`` where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(one.name for one in parameters)


def _one_of(words: Iterable[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_texts(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return all(isinstance(one, str) and one for one in cast("Iterable[object]", value))


def _is_models(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, list | tuple):
        return False
    return all(
        (isinstance(one, str) and bool(one)) or (isinstance(one, type) and issubclass(one, Model))
        for one in cast("Iterable[object]", value)
    )


def _is_thunk(value: object) -> bool:
    if not callable(value) or inspect.isclass(value):
        return False
    try:
        return not inspect.signature(value).parameters
    except (TypeError, ValueError):
        return False
