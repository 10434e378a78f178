"""
Our engine answers as stock Django does: the same requests go through both, over many stacks of middleware.

Each application runs in a process of its own, with a database of its own, and writes down all that can be
observed; see ``engine_compare.py``. The short form sends about 600 requests, ``RH_PROOF=full`` 10,000.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import django
import pytest

from django_routehandlers.engine.known_hooks import RULES
from engine_stacks import STACKS

FULL = os.environ.get("RH_PROOF") == "full"
COUNT = 10_000 // len(STACKS) + 1 if FULL else 12
SEED = os.environ.get("RH_SEED", "engine")
PROGRAM = Path(__file__).with_name("engine_compare.py")
LIMIT = 1_800 if FULL else 180  # seconds

# Before 6.1 Django answers each request in a task of its own, whose context ends before the signal that it has
# finished; and forgets files. Under those releases the engine does what Django 6.1 does.
pytestmark = pytest.mark.skipif(
    django.VERSION < (6, 1), reason="needs Django 6.1, whose handler has no task of its own"
)

Observation = dict[str, Any]
MISSING = "nothing"
PIECE = 65_536  # bytes to which stock cuts content


def is_one_piece(name: str, stock: Observation, ours: Observation) -> bool:
    """Content that is no stream is sent in one message; stock cuts it."""
    if name == "more":
        return len(ours["more"]) == 1 and [*stock["more"][-1:], *ours["more"]] == [False, False]
    return (
        name == "pieces"
        and len(ours["pieces"]) == 1
        and sum(stock["pieces"]) == ours["pieces"][0]
        and set(stock["pieces"][:-1]) == {PIECE}
    )


def is_closed(name: str, stock: Observation, ours: Observation) -> bool:
    """Content that a route does not take is not read to its end, so the connection cannot be used again."""
    return name == "fields" and ours[name] == [*stock[name], ["connection", "close"]]


def is_finished(name: str, stock: Observation, ours: Observation) -> bool:
    """Each request is finished (invariant 49), also one whose response fails; stock forgets to say so then."""
    finished = [entry for entry in ours["notes"] if entry[:2] == ["signal", "request_finished"]]
    return name == "notes" and bool(stock["error"]) and len(finished) == 1 and ours[name] == [*stock[name], *finished]


def is_refused(name: str, stock: Observation, ours: Observation) -> bool:
    """A request that cannot be made is answered 400; stock leaves that to the server, with an exception."""
    return stock["status"] is None and bool(stock["error"]) and ours["status"] == 400 and ours["error"] is None


WANTED: Sequence[Callable[[str, Observation, Observation], bool]] = (is_one_piece, is_closed, is_finished, is_refused)
"""The differences that there have to be: whether one in the named part of two observations is of this kind."""


def differences(stock: Sequence[Observation], ours: Sequence[Observation]) -> Iterator[str]:
    """Yield what differs between two series of observations."""
    if len(stock) != len(ours):
        yield f"{len(stock)} observations, {len(ours)} of ours"
    for number, (one, other) in enumerate(zip(stock, ours, strict=False)):
        for name in one:
            if one[name] != other.get(name) and not any(is_wanted(name, one, other) for is_wanted in WANTED):
                yield f"request {number}: {one['sent']}\n    {name}:\n{_compared(one[name], other.get(name))}"


def _compared(stock: Any, ours: Any, place: str = "") -> str:
    """Return the places where two values of JSON's differ, one a line."""
    if isinstance(stock, dict) and isinstance(ours, dict):
        pairs = [(name, stock.get(name, MISSING), ours.get(name, MISSING)) for name in {**stock, **ours}]
    elif isinstance(stock, list) and isinstance(ours, list):
        pairs = [(index, *pair) for index, pair in enumerate(zip_longest(stock, ours, fillvalue=MISSING))]
    else:
        return f"      {place}\n        stock {stock!r}\n        ours  {ours!r}"
    return "\n".join(_compared(one, other, f"{place}[{name!r}]") for name, one, other in pairs if one != other)


class Comparison:
    """Runs both applications side by side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._finish(self._start("nothing", {}))

    def run(self, **job: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return what stock and ours have made of the same requests: name of a stack → observations."""
        now = int(time.time())
        programs = [self._start(name, {"now": now, "seed": SEED, **job}) for name in ("stock", "ours")]
        results: list[Any] = []
        for program, name in zip(programs, ("stock", "ours"), strict=True):
            self._finish(program)
            results.append(json.loads((self.folder / name / "result.json").read_text()))
        return results[0], results[1]

    def _finish(self, program: "subprocess.Popen[str]") -> None:
        output, _ = program.communicate(timeout=LIMIT)
        assert program.returncode == 0, output

    def _start(self, name: str, job: Mapping[str, Any]) -> "subprocess.Popen[str]":
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        template = self.folder / "nothing" / "db.sqlite3"
        whole = {
            "application": name, "folder": str(folder), "template": str(template), "at_once": 0, "stacks": [],
            "result": str(folder / "result.json"), "count": COUNT, **job,
        }  # fmt: skip
        (folder / "job.json").write_text(json.dumps(whole))
        command = [sys.executable, str(PROGRAM), str(folder / "job.json")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def report(stock: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return all differences, by stack; nothing where there is none."""
    found = {name: list(differences(stock[name], ours[name])) for name in stock}
    return "\n".join(f"== {name}: {one}" for name in found for one in found[name])


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return Comparison(tmp_path)


@pytest.mark.slow
def test_engine_is_observably_equal_to_stock_django(comparison: Comparison) -> None:
    """Invariants 48 and 49."""
    assert report(*comparison.run()) == ""


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"middleware_spans": True, "signals_spans": True}], ids=["plain", "spans"])
def test_sentry_sees_the_same_events_and_spans(comparison: Comparison, options: Mapping[str, bool]) -> None:
    """Invariant 48."""
    assert report(*comparison.run(sentry=options, count=COUNT * 2)) == ""


@pytest.mark.slow
def test_requests_in_flight_see_nothing_of_each_other(comparison: Comparison) -> None:
    """
    Invariant 58: 20 clients of our engine at once, each with a language and a user of its own.

    Each has to see what it sees of stock Django with nobody else there.
    """
    stacks = ["startproject", "locale", "hooks in the middle", "sync and async in turns", "sessions in a cache"]
    stock, ours = comparison.run(stacks=stacks, at_once=20, count=COUNT)
    assert [report_talks(stock[name], ours[name]) for name in stacks] == [""] * len(stacks)


def report_talks(stock: Sequence[Any], ours: Sequence[Any]) -> str:
    """Return what is different for each client of one stack, and what is left over behind all of them."""
    *talks, afterwards = stock
    *others, afterwards_of_ours = ours
    for talk, other in zip(talks, others, strict=True):
        for one, another in zip(talk, other, strict=True):
            restore_trails(one["notes"], another["notes"])
    found = report(dict(enumerate(talks)), dict(enumerate(others)))  # type: ignore[arg-type]
    return found + ("" if afterwards == afterwards_of_ours else f"afterwards: {afterwards_of_ours}")


def restore_trails(stock: Sequence[Any], ours: Sequence[Any]) -> None:
    """
    Give notes of a middleware back what asgiref, now and then, has lost of the context within it.

    ``AsyncToSync.main_wrap`` hands a result to the thread that waits for it before it keeps the context: a
    thread that is quick goes on with the one from before. Stock Django loses it as well.
    """
    for one, other in zip(stock, ours, strict=False):
        if one[:-1] == other[:-1] and one[0] == "middleware" and one[-1].startswith(other[-1]):
            other[-1] = one[-1]


def test_every_kind_of_middleware_of_djangos_is_compared() -> None:
    """A class that a new release brings has to be compared as well."""
    compared = {path for stack in STACKS.values() for path in stack.middleware}
    assert [path for path in RULES if path not in compared] == []
