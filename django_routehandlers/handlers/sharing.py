"""
Make one thing of each annotation, for all the routes that are read together.

A project with thousands of routes has a handful of annotations for its segments and parameters. What
pydantic makes of one takes longer than all else that a route needs at start-up, and does not depend on the route.
"""

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

T = TypeVar("T")

# Of one reading, and gone with it: a model may have been rebuilt before the next.
_MADE: ContextVar[dict[Hashable, object] | None] = ContextVar("django_routehandlers.made_of_annotations", default=None)


@contextmanager
def sharing() -> Generator[None]:
    """Have ``shared()`` remember what it made for as long as the context lasts."""
    token = _MADE.set({})
    try:
        yield
    finally:
        _MADE.reset(token)


def shared(kind: str, of: object, make: Callable[[], T]) -> T:
    """
    Return what *make* makes of a value, the same for equal values within ``sharing()``.

    Args:
        kind: Tells apart what is made of one value.
        of: The value: an annotation, several in a tuple, or what was made of one. Where it cannot be looked up, as
            one with a list in its ``Annotated`` cannot, nothing is shared.
    """
    made = _MADE.get()
    if made is None:
        return make()
    try:
        # Equal annotations may differ: to pydantic the order of a union matters, and 1 is not True. Their text tells.
        key = (kind, of, repr(of))
        if key in made:
            return cast("T", made[key])
    except Exception:
        return make()
    made[key] = one = make()
    return one
