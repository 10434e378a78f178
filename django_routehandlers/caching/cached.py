"""
Turn a function into one whose results are kept, by its arguments.

What can be decided is decided when the function is decorated. A call makes a key and looks.
"""

import copy
import functools
import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, ParamSpec, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.db.models import Model
from django.utils.functional import cached_property

from django_routehandlers.caching.current import context_variables, is_enabled, origin
from django_routehandlers.caching.driving import AMake, Make
from django_routehandlers.caching.keys import Key, freeze
from django_routehandlers.caching.results import (
    Call,
    Revalidate,
    aresult_of,
    check_revalidate,
    check_tags,
    lifetime_of,
    result_of,
)
from django_routehandlers.caching.schema import tables_of
from django_routehandlers.caching.steps import Made, Terms
from django_routehandlers.caching.surroundings import Unkeyable, surroundings_key
from django_routehandlers.caching.tags import made_tag, table_tags, user_tag
from django_routehandlers.caching.values import ReturnValues, return_annotation
from django_routehandlers.documentation import Section, documented

_SECTION = Section("how-to/cached-functions-and-fetch", "Cache a function")

Tags = Sequence[str] | Callable[..., Iterable[str]]
DependsOn = Literal["auto"] | Sequence[type[Model] | str] | None

_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def cached(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def cached(
    *, revalidate: Revalidate = None, tags: Tags = (), depends_on: DependsOn = "auto"
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def cached(
    function: Callable[_P, _R] | None = None,
    /,
    *,
    revalidate: Revalidate = None,
    tags: Tags = (),
    depends_on: DependsOn = "auto",
) -> Callable[_P, _R] | Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """
    Keep what a function returns, sync or async, by its arguments: ``@cached`` or ``@cached(…)``.

    The function runs where it sees its arguments, the language, the time zone and what
    ``CACHE_CONTEXT`` names, and nothing else of the request. All who ask at a time wait for one
    run; a stale result is served once more while it is made anew. An exception is not kept. A
    route or another cached function that calls it depends on all that it depends on.

    A result is kept as its return annotation says, by pydantic, or as JSON without one. Each
    caller gets a copy of its own. Without ``CACHE_ENABLED`` the function runs at each call, under the same rules.

    A sync function may be called on an event loop, which then stands still while the function runs
    and for at most ``STORE_TIMEOUT`` while the store is asked; no other run is waited for there.

    Args:
        revalidate: Freshness lifetime in seconds; ``False`` until it is invalidated, ``0`` never
            kept, ``None`` for the setting ``DEFAULT_REVALIDATE``.
        tags: Names for ``revalidate_tag()``, or a plain function that returns them: it is called
            with those arguments that it has parameters for.
        depends_on: Models or names of tables whose writes end the result; ``"auto"``: those that it
            is seen to read; ``None``: none.

    Raises:
        TypeError: What is decorated is no function, or a generator. At a call: an argument that
            cannot be part of a key, or a result that would not come back as it is.
        ValueError: *revalidate* is no lifetime.
    """
    if function is None:
        return functools.partial(_decorated, revalidate=revalidate, tags=tags, depends_on=depends_on)
    return _decorated(function, revalidate=revalidate, tags=tags, depends_on=depends_on)


def _decorated(
    function: Callable[_P, _R], *, revalidate: Revalidate, tags: Tags, depends_on: DependsOn
) -> Callable[_P, _R]:
    kept = CachedFunction(function, revalidate, tags, depends_on)
    if _is_async(function):

        @functools.wraps(function)
        async def acall(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            return await kept.acall(args, kwargs)

        return cast("Callable[_P, _R]", acall)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return kept.call(args, kwargs)

    return call


class CachedFunction:
    """A function with all that is decided about its results before the first call."""

    def __init__(self, function: Callable[..., Any], revalidate: Revalidate, tags: Tags, depends_on: DependsOn) -> None:
        name = _checked(function)
        check_revalidate(revalidate, name)
        self._function, self._name, self._revalidate = function, name, revalidate
        self._signature, annotation = return_annotation(function)
        self._values = ReturnValues(name, annotation, inspect.unwrap(function).__globals__)
        self._identity = _identity(function)
        self._tags_of = tags if callable(tags) else None
        self._names = () if callable(tags) else check_tags(tags, name)
        self._taken = _taken(tags, self._signature, name) if callable(tags) else ()
        self._named = () if depends_on is None or depends_on == "auto" else _checked_tables(depends_on, name)
        self._follows_tables = depends_on == "auto"

    @cached_property
    def _tables(self) -> frozenset[str]:
        # When it is first called: models may not be there when the function is decorated.
        return frozenset(tables_of(self._named))

    def call(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return the result for these arguments, in a thread."""
        call, bound = self._look_up(args, kwargs)

        def prepare() -> tuple[Terms, Make]:
            terms = self._prepared(bound)

            def make() -> Made:
                return self._made(self._function(*bound.args, **bound.kwargs))

            return terms, make

        return result_of(call, prepare)

    async def acall(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return the result for these arguments, in a task."""
        call, bound = self._look_up(args, kwargs)

        def prepare() -> tuple[Terms, AMake]:
            terms = self._prepared(bound)

            async def make() -> Made:
                return self._made(await cast("Awaitable[Any]", self._function(*bound.args, **bound.kwargs)))

            return terms, make

        return await aresult_of(call, prepare)

    def _look_up(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Call[Any], inspect.BoundArguments]:
        variables = context_variables()
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        key: Key | None = None
        if lifetime_of(self._revalidate) != 0:
            # Also where nothing is kept: what cannot be kept shows while it is developed.
            arguments = self._frozen(bound.arguments)
            try:
                key = (
                    (*self._identity, *origin(), arguments, surroundings_key(None, variables)) if is_enabled() else None
                )
            except Unkeyable:
                key = None
        return Call(key, variables, self._values.decode), bound

    def _frozen(self, arguments: dict[str, Any]) -> Key:
        parts: list[Any] = []
        for name, value in arguments.items():
            try:
                parts.append(freeze(value))
            except TypeError as error:
                is_instance = not parts and name in ("self", "cls")
                remedy = " Or make the class a dataclass, or a function of it." if is_instance else ""
                raise documented(TypeError(f"{self._name}: the argument `{name}`: {error}{remedy}"), _SECTION) from None
        return tuple(parts)

    def _prepared(self, bound: inspect.BoundArguments) -> Terms:
        """Return on what terms the result may be kept, and have the run get arguments of its own."""
        lifetime = lifetime_of(self._revalidate)
        names, tags = self._names, tuple(map(user_tag, self._names))
        if self._tags_of is not None:
            given = bound.arguments
            taken = given if self._taken is None else self._taken
            names = check_tags(self._tags_of(**{name: given[name] for name in taken}), self._name)
            tags = tuple(map(made_tag, names))
        if lifetime != 0:
            # The caller may change them while the run, or a refresh, is under way: it would fill another key.
            bound.arguments = copy.deepcopy(bound.arguments)
        return Terms(lifetime, (*tags, *table_tags(self._tables)), self._follows_tables, self._tables, names)

    def _made(self, result: Any) -> Made:
        value, back = self._values.encode(result)
        return Made(back, value)


def _checked(function: object) -> str:
    """Return what errors call *function*, which is one whose results can be kept."""
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}()"
    kind = type(function).__name__
    if kind in ("staticmethod", "classmethod", "property"):
        raise documented(TypeError(f"@cached: {name} is a {kind}, no function. Write @cached below @{kind}."), _SECTION)
    # A class, a bound method, a partial: what it holds besides the arguments would be missing in the key.
    if not inspect.isfunction(function):
        raise documented(
            TypeError(
                f"@cached: {function!r} is no function written with `def`. Write one that calls it, and decorate that."
            ),
            _SECTION,
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise documented(
            TypeError(f"@cached: {name} is a generator, which returns no value that could be kept. Return a list."),
            _SECTION,
        )
    return name


def _is_async(function: object) -> bool:
    # On Python 3.11 only asgiref's knows functions marked as coroutine functions, as Django's decorators are.
    is_marked = iscoroutinefunction
    return is_marked(function)


def _identity(function: Callable[..., Any]) -> Key:
    code = getattr(function, "__code__", None)
    line = str(getattr(code, "co_firstlineno", ""))
    # A function within another may see that one's variables, which no key shows: each is a function of its own.
    own = secrets.token_hex(8) if "<" in function.__qualname__ else line
    return "function", function.__module__, function.__qualname__, own


def _taken(tags: Callable[..., Any], signature: inspect.Signature, name: str) -> tuple[str, ...] | None:
    """Return the parameters of the function *tags*; ``None`` where it takes any."""
    if inspect.isclass(tags) or _is_async(tags):
        raise documented(
            TypeError(f"{name}: tags is {tags!r}. It is a list of str, or a plain function that returns one."), _SECTION
        )
    parameters = inspect.signature(tags).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    names = tuple(one.name for one in parameters if one.name in signature.parameters)
    unknown = [one.name for one in parameters if one.name not in names and one.default is one.empty]
    if unknown:
        raise documented(
            TypeError(
                f"{name}: the function for its tags takes `{unknown[0]}`, which {name} does not. "
                f"Name its parameters as those of {name}: {', '.join(signature.parameters) or 'none'}."
            ),
            _SECTION,
        )
    return names


def _checked_tables(depends_on: object, name: str) -> Sequence[type[Model] | str]:
    given = cast("Iterable[object]", depends_on) if isinstance(depends_on, list | tuple | set | frozenset) else (None,)
    found = tuple(one for one in given if (isinstance(one, str) and one) or _is_model(one))
    if len(found) != len(tuple(given)):
        raise documented(
            TypeError(
                f'{name}: depends_on is {depends_on!r}. It is "auto", None, or a list of models and names of tables. '
                "Write depends_on=[Product]."
            ),
            _SECTION,
        )
    return cast("Sequence[type[Model] | str]", found)


def _is_model(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Model)
