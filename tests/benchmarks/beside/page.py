"""Write what was measured into the documentation: tables of Markdown between two markers, and the chart."""

import os
import platform
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from engine_rows import line_of, table_of

from beside.chart import draw
from beside.environments import Environment
from beside.frameworks import FRAMEWORKS, ROOT
from beside.measuring import Table

PAGE = ROOT / "docs" / "reference" / "side-by-side.md"
CHART = PAGE.with_suffix(".svg")
BEGIN = "<!-- figures: written by side_by_side.py --write -->"
END = "<!-- end of figures -->"
QUIET = 0.5  # processes that run, on average
ADDRESS = re.compile(r"\S*/\S*")


def processor() -> str:
    """Return the class of processor, which names no machine."""
    found = re.search(r"model name\s*: (.+)", read("/proc/cpuinfo"))
    kind = found[1] if found else platform.machine()
    virtual = ", virtual" if re.search(r"^flags.*\bhypervisor\b", read("/proc/cpuinfo"), re.MULTILINE) else ""
    return re.sub(r"\((R|TM)\)|@.*", "", kind).strip() + virtual


def read(name: str) -> str:
    """Return a file of the kernel, where there is one."""
    file = Path(name)
    return file.read_text() if file.exists() else ""


def load() -> float | None:
    """Return how many processes wanted to run in the last minute, where the system tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def circumstances(rounds: int, seconds: float, load_before: float | None) -> str:
    """Return when and where this was measured; *seconds* are those of a row in a round."""
    told = [f"{date.today():%Y-%m-%d}", f"{rounds} rounds of {seconds * 1000:.0f} ms"]
    told += [f"Python {platform.python_version()}", platform.system()]
    told.append(f"{os.cpu_count()} cores ({processor()})")
    told += [] if load_before is None else [f"load at the start {load_before:.1f}"]
    # What else runs makes figures worthless, those of the processor least.
    busy = " **The machine did other things as well: look at *CPU µs*.**" if (load_before or 0) > QUIET else ""
    return ", ".join(told) + "." + busy


def versions(environments: dict[str, Environment]) -> Iterator[str]:
    """Yield a table of what is compared."""
    yield line_of("", "versions")
    yield line_of("---", "---")
    titles = {one.environment: one.title for one in reversed(FRAMEWORKS)}
    for name, environment in environments.items():
        yield line_of(titles[name], ", ".join(f"{package} {one}" for package, one in environment.versions.items()))


def missing(left_out: Sequence[str]) -> Iterator[str]:
    """Yield what is not in the tables, without the paths of this machine."""
    if left_out:
        yield "Left out:"
        yield ""
        yield from (f"- {ADDRESS.sub('…', plain(one))}" for one in dict.fromkeys(left_out))
        yield ""


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return re.sub(r"[\s<>|`*_]+", " ", text)[:200]


def figures(
    tables: Sequence[Table], environments: dict[str, Environment], left_out: Sequence[str], told: str
) -> Iterator[str]:
    """Yield the lines that stand between the markers."""
    yield from (told, "", *versions(environments), "", *missing(left_out))
    for table in tables:
        if table.rows:
            yield from (f"### {table.title}", "", *table_of(table.rows), "")


def write(lines: Sequence[str], tables: Sequence[Table]) -> None:
    """Put the figures in place of those before, and draw them."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *lines, f"{END}{after}"]), encoding="utf-8")
    CHART.write_text(draw(tables), encoding="utf-8")
