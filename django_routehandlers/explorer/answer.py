"""
Turn the explanation of a URL into what the page shows of it: the values of ``show_routes --match``, as tables.

Pure: values in, values out.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from django_routehandlers.explorer.tree import page_query
from django_routehandlers.listing.cache_text import cache_lines
from django_routehandlers.listing.config_text import config_rows
from django_routehandlers.listing.explain import Explanation, OtherAnswer, RouteAnswer
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.listing.rows import Row, make_row
from django_routehandlers.routing.url_patterns import Served


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the answer."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: tuple[str, ...] = ()
    """For each row the query of the page that its first cell leads to, where they do."""

    @property
    def linked_rows(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each row with its link; ``""`` for none."""
        return zip(self.links or [""] * len(self.rows), self.rows, strict=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says of a URL."""

    headline: str
    is_found: bool
    """Whether a handler of a route answers."""
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    methods: tuple[tuple[str, str], ...]
    """Each method of the route that answers, with the query of the page that sends it."""


def read_answer(explanation: Explanation, url: str, place: int) -> Answer:
    """
    Return what the page shows.

    Args:
        url: As it was asked for.
        place: Which of the places that include the routes the explanation is about.
    """
    answer, path = explanation.answer, explanation.path
    notes = [] if explanation.note is None else [f"{explanation.note[0].upper()}{explanation.note[1:]}."]
    parts: list[Part] = []
    methods: tuple[tuple[str, str], ...] = ()
    is_found = False
    if isinstance(answer, RouteAnswer):
        row = _row(answer.served, answer.mount)
        headline, is_found = answer.headline(path, row.path), not answer.is_refused
        parts = [*_parts(answer, row)]
        methods = tuple((method, page_query(row, method, place, url)) for method in answer.handlers)
    elif isinstance(answer, OtherAnswer):
        headline = f"No route answers {path}: another pattern of the URLconf does"
        parts = [Part("URLconf", ("Pattern", "View"), ((answer.route, answer.view),))]
    else:
        headline = f"No route answers {path}"
        if not notes and not explanation.near_misses:
            notes.append("No route comes close.")
    if explanation.near_misses:
        rows = [_row(one.served, explanation.mount) for one in explanation.near_misses]
        misses = tuple((row.path, one.reason) for row, one in zip(rows, explanation.near_misses, strict=True))
        links = tuple(page_query(row, next(iter(row.handlers)), place) for row in rows)
        parts.append(Part("Why not another", ("Route", "Why not"), misses, links))
    return Answer(headline, is_found, tuple(notes), tuple(parts), methods)


def _parts(answer: RouteAnswer, row: Row) -> Iterator[Part]:
    yield Part("Route", ("", ""), (("Name", row.name), ("App", row.app), ("File", row.file)))
    if answer.parameters:
        given = [(name, repr(value), type(value).__name__) for name, value in answer.parameters.items()]
        yield Part("Parameters", ("Name", "Value", "Type"), tuple(given))
    yield Part("Methods", ("Method", "Handler", "Segments"), tuple(_methods(answer, row)))
    if inputs := [(method, *one) for method, handler in row.handlers.items() for one in handler.more_inputs]:
        yield Part("Inputs", ("Method", "Input", "From"), tuple(inputs))
    if row.middleware:
        around = [(one.name, one.kind, _place(one.file, one.line)) for one in row.middleware]
        yield Part("Middleware", ("Name", "Kind", "File"), tuple(around))
    if config := tuple(config_rows(row.config, row.below)):
        yield Part("Config", ("Name", "Value", "Said by"), config)
    if answer.cache is not None:
        lines = [(name.strip().capitalize(), text) for name, text in cache_lines(answer.cache)]
        yield Part("Cache", ("", ""), tuple(lines))


def _methods(answer: RouteAnswer, row: Row) -> Iterator[tuple[str, str, str]]:
    for method, outlook in answer.handlers.items():
        one = row.handlers[method]
        where = one.kind if one.line is None else f"{one.kind}, line {one.line}"
        if outlook.refusal is not None:
            yield method, where, f"404: {outlook.refusal}"
        else:
            values = (f"{name} = {value!r} ({type(value).__name__})" for name, value in outlook.values.items())
            yield method, where, ", ".join(values) or "none"


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


def _row(served: Served, mount: Mount) -> Row:
    return make_row(served, mount, prefix=mount.prefix, below=os.path.join(os.getcwd(), ""))
