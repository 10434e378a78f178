"""Keep what ``engine.py`` measures, and print it: rows in tables of Markdown, and the goals beside what was reached."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

PACKAGES = {
    "fastapi": "fastapi",
    "starlette": "starlette",
    "litestar": "litestar",
    "ninja": "django-ninja",
    "django_bolt": "django-bolt",
    "psycopg_pool": "psycopg[pool,binary]",
}
"""Module → package of each peer."""
MIDDLEWARE = {8: "sync + 7", 9: "7 + sync"}
"""What stands in the column for ``engine_apps.middleware_of``, where it is no number."""
Key = tuple[str, int]
"""Name and middleware of a row."""


@dataclass
class Row:
    """What is asked for, and what has been measured of it."""

    name: str
    framework: str
    """Of ``engine_apps.MAKERS``, or ``bolt``."""
    middleware: int
    target: str
    connections: str = ""
    """How PostgreSQL is connected to, of ``engine_apps.CONNECTIONS``; without a database where it is empty."""
    wall: list[float] = field(default_factory=list)
    """Seconds for one request, in each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds that the process used for one request, in each round; empty where the kernel does not say."""

    @property
    def key(self) -> Key:
        """What a goal names."""
        return self.name, self.middleware

    @property
    def process(self) -> Key:
        """What a process is started for; several rows may ask the same one."""
        return f"{self.framework}/{self.connections}", self.middleware

    def is_among(self, found: Iterable[str]) -> bool:
        """Tell whether the modules of *found* suffice."""
        needed = {"bolt": "django_bolt"}.get(self.framework, self.framework)
        modules = [needed] if needed in PACKAGES else []
        modules += ["ninja"] if "ninja" in self.target else []
        modules += ["psycopg_pool"] if self.connections == "pool" else []
        return set(modules) <= set(found)


@dataclass(frozen=True)
class Goal:
    """How many times the requests of *base* a row is to answer in the same time, at least."""

    row: Key
    base: Key
    least: float | None
    """``None``: the ratio is reported, and nothing was asked."""


def ratios(row: Row, base: Row) -> list[float]:
    """Return how many times the requests of *base* were answered, in each round."""
    return [other / one for one, other in zip(row.wall, base.wall, strict=True)]


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the last quartile; of one value, the value."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def line_of(*cells: object) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def show_line(*cells: object) -> None:
    """Print a line of a table."""
    print(line_of(*cells))


def head_of(*heads: str) -> Iterator[str]:
    """Yield the head of a table, whose first column is text."""
    yield line_of(*heads)
    yield line_of("---", *(["---:"] * (len(heads) - 1)))


def show_head(*heads: str) -> None:
    """Print the head of a table, whose first column is text."""
    print()
    print("\n".join(head_of(*heads)))


def show_rows(title: str, rows: list[Row]) -> None:
    """Print a table, with what stands over it."""
    print(f"\n**{title}**\n")
    print("\n".join(table_of(rows)))


def table_of(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table; *times* compares with the first row that is ours, in requests."""
    base = next((row for row in rows if row.framework == "ours"), rows[0])
    yield from head_of("", "middleware", "µs", "least", "quartiles", "CPU µs", "requests/s", "times", "of least")
    for row in rows:
        low, high = quartiles(row.wall)
        yield line_of(
            f"**{row.name}**" if row.framework == "ours" else row.name,
            MIDDLEWARE.get(row.middleware, row.middleware),
            f"{median(row.wall) * 1e6:,.0f}",
            f"{min(row.wall) * 1e6:,.0f}",
            f"{low * 1e6:,.0f}–{high * 1e6:,.0f}",
            f"{median(row.cpu) * 1e6:,.0f}" if row.cpu else "",
            f"{1 / median(row.wall):,.0f}",
            f"{median(ratios(row, base)):.2f}",
            f"{min(base.wall) / min(row.wall):.2f}",
        )


def show_goals(goals: Iterable[Goal], rows: list[Row]) -> None:
    """Print what was to be reached, and what was."""
    by_key = {row.key: row for row in rows}
    known = [goal for goal in goals if {goal.row, goal.base} <= by_key.keys()]
    if not known:
        return
    show_head("", "against", "goal", "times", "quartiles", "of least", "of CPU", "result")
    for goal in known:
        row, base = by_key[goal.row], by_key[goal.base]
        values = ratios(row, base)
        low, high = quartiles(values)
        of_least = min(base.wall) / min(row.wall)
        show_line(
            describe(row),
            describe(base),
            f"≥ {goal.least:g}" if goal.least else "",
            f"{median(values):.2f}",
            f"{low:.2f}–{high:.2f}",
            f"{of_least:.2f}",
            f"{median(base.cpu) / median(row.cpu):.2f}" if row.cpu and base.cpu else "",
            judge(goal.least, median(values), of_least),
        )


def judge(least: float | None, *values: float) -> str:
    """Return what the *values* say of a goal."""
    if least is None:
        return ""
    reached = [value >= least for value in values]
    return "reached" if all(reached) else "undecided" if any(reached) else "**missed**"


def describe(row: Row) -> str:
    """Return the name of a row, with its middleware."""
    has_middleware = row.framework in ("ours", "stock", "bolt")
    return f"{row.name}, {MIDDLEWARE.get(row.middleware, row.middleware)}" if has_middleware else row.name
