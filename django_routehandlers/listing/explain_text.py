"""
Turn the explanation of a URL into lines of text, or into the object that JSON prints.

Pure: values in, lines out.
"""

import os
from collections.abc import Iterator, Mapping

from django_routehandlers.listing.cache_text import cache_as_json, cache_lines
from django_routehandlers.listing.config_text import config_rows
from django_routehandlers.listing.explain import Explanation, HandlerOutlook, OtherAnswer, RouteAnswer
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.listing.near_misses import NearMiss
from django_routehandlers.listing.rows import Row, kind_of, line_in, make_row
from django_routehandlers.listing.text import Paint, aligned, printable
from django_routehandlers.routing.url_patterns import Served

_AUTOMATIC = {"HEAD": "automatic, from GET", "OPTIONS": "automatic"}


def explanation_lines(explanation: Explanation, paint: Paint) -> Iterator[str]:
    """Yield what a person reads: the answer, then the routes that came close."""
    path, answer = printable(explanation.path), explanation.answer
    if isinstance(answer, RouteAnswer):
        yield from _answer_lines(path, answer, paint)
    elif isinstance(answer, OtherAnswer):
        yield paint.bad(f"No route answers {path}: another pattern of the URLconf does")
        yield ""
        yield f"  Pattern  {printable(answer.route)}"
        yield f"  View     {answer.view}"
    else:
        yield paint.bad(f"No route answers {path}")
    if explanation.note is not None:
        yield ""
        yield f"  {explanation.note[0].upper()}{explanation.note[1:]}."
    elif explanation.near_misses:
        yield ""
        yield paint.heading("Near misses")
        misses = [(_row(miss.served, explanation.mount).path, miss.reason) for miss in explanation.near_misses]
        yield from aligned([[_cell(f"  {path}"), _cell(reason)] for path, reason in misses])
    elif answer is None:
        yield ""
        yield "  No route comes close. `show_routes` lists them all."


def _answer_lines(path: str, answer: RouteAnswer, paint: Paint) -> Iterator[str]:
    row = _row(answer.served, answer.mount)
    color = paint.bad if answer.is_refused else paint.good
    yield color(printable(answer.headline(path, row.path)))
    yield ""
    yield f"  Name  {printable(row.name)}"
    yield f"  App   {row.app}"
    yield f"  File  {printable(row.file)}"
    yield ""
    yield paint.heading("Parameters")
    shown = [
        [_cell(f"  {name}"), _cell(f"= {value!r}"), _cell(_type(value))] for name, value in answer.parameters.items()
    ]
    yield from aligned(shown) if shown else ["  none"]
    yield ""
    yield paint.heading("Methods")
    yield from aligned([*_method_lines(row, answer, paint)])
    parts = {"Inputs": _input_lines(row), "Middleware": _middleware_lines(row), "Config": _config_lines(row)}
    if answer.cache is not None:
        parts["Cache"] = ([_cell(f"  {name}"), _cell(text)] for name, text in cache_lines(answer.cache))
    for title, lines in parts.items():
        if listed := [*lines]:
            yield ""
            yield paint.heading(title)
            yield from aligned(listed)


def _method_lines(row: Row, answer: RouteAnswer, paint: Paint) -> Iterator[list[tuple[str, str]]]:
    for method in row.methods:
        outlook = answer.handlers.get(method)
        if outlook is None:
            yield [(f"  {method}", f"  {paint.faint(method)}"), _cell(_AUTOMATIC[method]), _cell("")]
            continue
        line = line_in(row.route, outlook.handler)
        where = kind_of(outlook.handler) + (f", line {line}" if line is not None else "")
        if outlook.refusal is not None:
            refusal = printable(f"404: {outlook.refusal}")
            yield [(f"  {method}", f"  {paint.strong(method)}"), _cell(where), (refusal, paint.bad(refusal))]
        else:
            yield [(f"  {method}", f"  {paint.strong(method)}"), _cell(where), _cell(_values(outlook))]


def _input_lines(row: Row) -> Iterator[list[tuple[str, str]]]:
    for method, one in row.handlers.items():
        # What becomes of segments stands beside their method.
        for written, place in one.more_inputs:
            yield [_cell(f"  {method}"), _cell(written), _cell(place)]


def _middleware_lines(row: Row) -> Iterator[list[tuple[str, str]]]:
    for one in row.middleware:
        where = one.file if one.line is None else f"{one.file}:{one.line}"
        yield [_cell(f"  {one.name}"), _cell(one.kind), _cell("public" if one.is_public else "-"), _cell(where)]


def _config_lines(row: Row) -> Iterator[list[tuple[str, str]]]:
    for name, value, source in config_rows(row.config, row.below):
        yield [_cell(f"  {name}"), _cell(value), _cell(source)]


def _values(outlook: HandlerOutlook) -> str:
    return ", ".join(f"{name} = {value!r} ({_type(value)})" for name, value in outlook.values.items())


def _type(value: object) -> str:
    return type(value).__name__


def _cell(text: str) -> tuple[str, str]:
    return printable(text), printable(text)


def explanation_as_json(url: str, explanation: Explanation) -> dict[str, object]:
    """Return the object that ``--match URL --format json`` prints."""
    answer = explanation.answer
    found = answer if isinstance(answer, RouteAnswer) else None
    other = answer if isinstance(answer, OtherAnswer) else None
    return {
        "url": url,
        "path": explanation.path,
        "answered_by": "route" if found else "urlconf" if other else None,
        "redirect": found.location if found else None,
        "route": _row(found.served, found.mount).as_json() if found else None,
        "parameters": _parameters(found.parameters) if found else None,
        "handlers": {method: _outlook(one) for method, one in found.handlers.items()} if found else None,
        "cache": cache_as_json(found.cache) if found and found.cache else None,
        "urlconf": {"pattern": other.route, "view": other.view} if other else None,
        "note": explanation.note,
        "near_misses": [_near_miss(miss, explanation.mount) for miss in explanation.near_misses],
    }


def _parameters(values: Mapping[str, object]) -> dict[str, dict[str, str]]:
    return {name: {"value": repr(value), "type": _type(value)} for name, value in values.items()}


def _outlook(outlook: HandlerOutlook) -> dict[str, object]:
    return {"parameters": _parameters(outlook.values), "refusal": outlook.refusal}


def _near_miss(miss: NearMiss, mount: Mount) -> dict[str, object]:
    row = _row(miss.served, mount)
    return {"path": row.path, "name": row.name, "app": row.app, "file": row.file, "reason": miss.reason}


def _row(served: Served, mount: Mount) -> Row:
    return make_row(served, mount, prefix=mount.prefix, below=os.path.join(os.getcwd(), ""))
