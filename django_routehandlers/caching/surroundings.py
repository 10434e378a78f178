"""
What cached code may see besides its arguments: language, time zone, script prefix, URLconf, and
the context variables that the project names. All of it is part of the key.

Cached code runs in a context in which nothing else is: a current user or a request that
middleware keeps in a context variable is not there.
"""

from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from types import ModuleType
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation
from django.utils.translation import trans_real

from django_routehandlers.caching.keys import Key, freeze
from django_routehandlers.engine.live_settings import setting

Variables = tuple[ContextVar[Any], ...]

_UNSET = object()


class Unkeyable(Exception):
    """Something that cached code may see cannot be part of a key, so that nothing may be kept."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings of a request, taken there, to be put into another context."""

    language: str | None
    time_zone: tzinfo
    script_prefix: str
    urlconf: Any
    variables: tuple[tuple[ContextVar[Any], Any], ...]

    @classmethod
    def of(cls, request: HttpRequest, variables: Variables) -> "Surroundings":
        """Return those of *request*."""
        return cls._taken(script_prefix_of(request), getattr(request, "urlconf", None), variables)

    @classmethod
    def take(cls, variables: Variables) -> "Surroundings":
        """Return those of the context in which this is called."""
        return cls._taken(get_script_prefix(), get_urlconf(), variables)

    @classmethod
    def _taken(cls, script_prefix: str, urlconf: Any, variables: Variables) -> "Surroundings":
        found = ((variable, variable.get(_UNSET)) for variable in variables)
        return cls(
            translation.get_language(),
            timezone.get_current_timezone(),
            script_prefix,
            urlconf,
            tuple((variable, value) for variable, value in found if value is not _UNSET),
        )

    def put(self) -> None:
        """Put them into the context in which this is called, which must be a new one."""
        if self.language is None:
            translation.deactivate_all()
        else:
            translation.activate(self.language)
        timezone.activate(self.time_zone)
        set_script_prefix(self.script_prefix)
        set_urlconf(self.urlconf)
        for variable, value in self.variables:
            variable.set(value)

    def context(self) -> Context:
        """Return a new context that has these surroundings and nothing else. For the thread that makes it."""
        context = Context()
        context.run(self.put)
        return context


def script_prefix_of(request: HttpRequest) -> str:
    """Return the path at which the application is mounted, with its last slash, as Django sets it for a request."""
    prefix = request.path.removesuffix(request.path_info) if request.path != request.path_info else ""
    return prefix if prefix.endswith("/") else f"{prefix}/"


def surroundings_key(request: HttpRequest | None, variables: Variables) -> Key:
    """
    Return the part of a key that stands for the surroundings of *request*, its path included; without
    one, of the context in which this is called.

    Raises:
        Unkeyable: One of them has no form that could stand in a key.
    """
    path: Any
    urlconf: object
    if request is None:
        path, urlconf = get_script_prefix(), get_urlconf()
    else:
        path, urlconf = (request.path, request.path_info), getattr(request, "urlconf", None)
    if urlconf == getattr(settings, "ROOT_URLCONF", None):
        # Django says so in a request, and nothing outside.
        urlconf = None
    elif urlconf is not None and not isinstance(urlconf, str):
        # Django takes a module, and objects like one, for its path.
        if not isinstance(urlconf, ModuleType):
            raise Unkeyable("urlconf")
        urlconf = urlconf.__name__
    language, time_zone = _language_and_time_zone()
    return path, urlconf, language, time_zone, _variables_key(variables) if variables else None


def zone_key(zone: tzinfo) -> str:
    """Return what tells a time zone from others: of the database its key, of any other all that it shows."""
    return str(zone) if type(zone) is ZoneInfo else repr(zone)


def _language_and_time_zone() -> tuple[str | None, str]:
    # Where nothing has been activated, Django finds out by way of two exceptions, which take half the time of a hit.
    language = setting("LANGUAGE_CODE") if _is_unset(trans_real) else translation.get_language()
    zone = timezone.get_default_timezone() if _is_unset(timezone) else timezone.get_current_timezone()
    return language, zone_key(zone)


def _is_unset(module: ModuleType) -> bool:
    """Return whether nothing that *module* activates is active in this context; ``False`` where that cannot be told."""
    # Tests that override the language put another one there.
    variable = _variable_of(vars(module).get("_active"))
    return variable is not None and variable.get(None) is None


@lru_cache(maxsize=8)
def _variable_of(local: Any) -> ContextVar[Any] | None:
    """Return the variable in which one of asgiref's locals keeps all it has; ``None`` where it does not do so."""
    found: object = getattr(getattr(local, "_storage", None), "_data", None)
    if not isinstance(found, ContextVar):
        return None
    variable = cast("ContextVar[Any]", found)

    def is_set_with_it() -> bool:
        local.value = None
        return variable.get(None) is not None

    return variable if Context().run(is_set_with_it) else None


def _variables_key(variables: Variables) -> Key:
    values: list[Any] = []
    for variable in variables:
        value = variable.get(_UNSET)
        try:
            values.append(None if value is _UNSET else ("", freeze(value)))
        except TypeError as error:
            raise Unkeyable(f"the context variable {variable.name}: {error}") from error
    return tuple(values)
