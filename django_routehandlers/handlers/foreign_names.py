"""
Turn the config of other frameworks in a route file or a ``middleware.py`` into what it is written as here.

Nothing reads it. Where it was to guard something, that stands open, which is an error.
"""

import inspect
from collections.abc import Iterator, Mapping

from django_routehandlers.handlers.functions import Fault
from django_routehandlers.handlers.names import BindingLines

_REST = "Django REST framework"
_GUARDS: Mapping[str, str] = {
    "permission_classes": "Refuse those who may not in a middleware.py of the folder",
    "authentication_classes": "Find out who asks in a middleware.py of the folder, and name the scheme in `security`",
    "throttle_classes": 'Write `throttle = "100/minute"`',
}
"""Name → remedy. They would keep somebody out."""
_OTHERS: Mapping[str, tuple[str, str]] = {
    "parser_classes": (_REST, "Annotate `body` with what is read: a model for JSON, bytes, str; forms are `Form()`"),
    "renderer_classes": (_REST, "Return what becomes JSON, or an HttpResponse of another media type"),
    "serializer_class": (_REST, "Annotate `body` and what the handler returns with pydantic models"),
    "pagination_class": (_REST, "Take query parameters such as `page: int = 1`, and return a part of the rows"),
    "filterset_class": ("django-filter", "Take query parameters, or a model of them as `query`"),
    "runtime": ("Next.js", "Remove it: a route runs in the process of its project"),
    "preferredRegion": ("Next.js", "Remove it: a route runs where its project does"),
    "fetchCache": ("Next.js", "Remove it: `dynamic` and `revalidate` say what is kept"),
}
"""Name → whose it is, and the remedy."""


def foreign_names(file: BindingLines) -> Iterator[Fault]:
    """Yield what the file binds for another framework."""
    names = vars(file.module)
    # A function is a helper, or a decorator; what is imported was written for other views.
    bound = {name for name in (*_GUARDS, *_OTHERS) if name in names and not inspect.isfunction(names[name])}
    for name in sorted(bound):
        # Next.js has texts there. Of other values it is a likely name.
        if not (line := file.line_of(name)) or (name == "runtime" and not isinstance(names[name], str)):
            continue
        end = f"or rename it to _{name} if it is yours."
        if name in _GUARDS:
            what = f"`{name}` guards nothing here: it is config of {_REST}, whose views read it."
            yield Fault("E145", line, what, f"{_GUARDS[name]}; {end}")
        else:
            whose, remedy = _OTHERS[name]
            yield Fault("W145", line, f"`{name}` has no effect here: it is config of {whose}.", f"{remedy}; {end}")
