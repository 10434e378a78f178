"""
Measure the same work in other frameworks and in ours, side by side.

    python tests/benchmarks/side_by_side.py [CASE …] [--quick] [--rounds N] [--only PEER …] [--write]

Each framework is installed into an environment of its own, at its current version: in a directory of this run, or
in one that is kept (``--cache``). Each has a server in a process of its own, held to one core; what asks, and
PostgreSQL, are held to another. All must give the same answers before they are measured. Each round asks every row
in turn, for so many requests that each takes about as long. See docs/reference/side-by-side.md.

Cases: ``json``, ``post``, ``row``, ``cached``, ``lines``, ``routes``; all without one. It takes about a quarter of an
hour, and ``--quick`` half of it. ``--write`` puts the tables and the chart into the documentation. ``--here`` installs
nothing: it compares what this environment has. What cannot be installed or does not answer is left out, and named.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import engine_database
from beside import database, next_project, page
from beside.environments import Environment, LeftOut, here, install
from beside.frameworks import FRAMEWORKS, Framework
from beside.measuring import compare
from beside.work import CASES, Case
from held_cores import hold_to_core

ROUNDS = 12
QUICK_ROUNDS = 3
SECONDS = 0.15  # of one row in one round
QUICK_SECONDS = 0.05


def environments_of(
    frameworks: Iterable[Framework], cache: Path | None, left_out: list[str], *, has_database: bool
) -> dict[str, Environment]:
    """
    Return the environments that frameworks need.

    Args:
        cache: The folder that has them; ``None``: there is only that of this process.
        left_out: Those that cannot be made are added to it.
    """
    found: dict[str, Environment] = {}
    for framework in frameworks:
        name = framework.environment
        if name in found or any(one.startswith(f"{framework.title}: ") for one in left_out):
            continue
        start = time.monotonic()
        try:
            found[name] = here(name) if cache is None else install(name, cache)
            if name == "next":
                next_project.build(found[name].directory, has_database=has_database)
        except (LeftOut, RuntimeError, OSError) as error:
            found.pop(name, None)
            left_out.append(f"{framework.title}: {error}")
            print(f"{framework.title} is left out: {error}", flush=True)
            continue
        told = ", ".join(f"{package} {version}" for package, version in found[name].versions.items())
        print(f"{framework.title}: {told} ({time.monotonic() - start:.0f} s)", flush=True)
    return found


def measure(
    frameworks: Sequence[Framework], cases: Sequence[Case], arguments: argparse.Namespace, stack: ExitStack
) -> None:
    """Install, compare and show."""
    load = page.load()
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    needs_database = any(case.needs_database for case in cases)
    has_database = needs_database and stack.enter_context(engine_database.postgresql()) is not None
    left_out: list[str] = []
    if has_database:
        database.fill()
    elif needs_database:
        left_out.append("One row, and the cached GET: there is no PostgreSQL")
        cases = [case for case in cases if not case.needs_database]
    cache = None
    if not arguments.here:
        cache = arguments.cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cache = cache.resolve()
    environments = environments_of(frameworks, cache, left_out, has_database=has_database)
    frameworks = [one for one in frameworks if one.environment in environments]
    seconds = QUICK_SECONDS if arguments.quick else SECONDS
    tables, failed = compare(frameworks, environments, cases, rounds, seconds)
    lines = list(page.figures(tables, environments, [*left_out, *failed], page.circumstances(rounds, seconds, load)))
    print("\n" + "\n".join(lines))
    if arguments.write:
        page.write(lines, tables)


def main() -> None:
    """Measure."""
    keys = [one.key for one in FRAMEWORKS]
    parser = argparse.ArgumentParser(description="Measure the same work in other frameworks and in ours.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(case.key for case in CASES)}; or all")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} short rounds")
    parser.add_argument("--rounds", type=int, help=f"instead of {ROUNDS}")
    parser.add_argument("--only", nargs="+", metavar="PEER", choices=keys, help=f"of {', '.join(keys)}")
    parser.add_argument("--cache", type=Path, metavar="DIRECTORY", help="keep what is installed there")
    parser.add_argument("--here", action="store_true", help="install nothing")
    parser.add_argument("--write", action="store_true", help="write the tables and the chart into the documentation")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - {case.key for case in CASES}:
        parser.error(f"no case {', '.join(sorted(unknown))}.")
    if arguments.write and (arguments.cases or arguments.only):
        parser.error("the page has all cases and all peers: leave out CASE and --only.")
    cases = [case for case in CASES if not arguments.cases or case.key in arguments.cases]
    frameworks = [one for one in FRAMEWORKS if not arguments.only or one.key in arguments.only]
    # PostgreSQL is started here, and goes with what asks.
    hold_to_core(-1)
    with ExitStack() as stack:
        measure(frameworks, cases, arguments, stack)


if __name__ == "__main__":
    main()
