"""
Find what is wrong with the long description of what was built: links that lead nowhere on the page of an index.

Needs nothing but Python: ``python tests/built_dist.py FOLDER`` prints what is wrong with the wheel and the source
distribution in FOLDER, and exits 1 where something is.
"""

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
README = Path(__file__).parents[1] / "README.md"


def read_metadata(path: Path) -> Message:
    """Return the metadata of a wheel or a source distribution."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return Parser().parsestr(wheel.read(name).decode())
    with tarfile.open(path) as archive:
        (member,) = [name for name in archive.getnames() if re.fullmatch(r"[^/]+/PKG-INFO", name)]
        file = archive.extractfile(member)
        assert file is not None
        return Parser().parsestr(file.read().decode())


def wrong_links(metadata: Message, readme: str) -> Iterator[str]:
    """Yield what is wrong with the links of the long description that was made of *readme*."""
    text = str(metadata.get_payload())
    relative = [link for link in LINK.findall(readme) if "://" not in link and not link.startswith("#")]
    found = LINK.findall(text)
    yield from (f"{link} is relative" for link in found if "://" not in link and not link.startswith("#"))
    labels = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", []))
    if source := labels.get("Source"):
        led = [link for link in found if link.startswith(source)]
        if len(led) < len(relative):
            yield f"{len(relative)} links of the README are to lead to {source}, and {len(led)} do: see pyproject.toml"
    if FENCED.findall(text) != FENCED.findall(readme):
        yield "the code is not that of the README"


if __name__ == "__main__":
    built = sorted(path for path in Path(sys.argv[1]).iterdir() if path.name.endswith((".whl", ".tar.gz")))
    text = README.read_text(encoding="utf-8")
    wrong = [f"{path.name}: {fault}" for path in built for fault in wrong_links(read_metadata(path), text)]
    print("\n".join(wrong) or f"The links of {' and '.join(path.name for path in built)} lead somewhere.")
    sys.exit(bool(wrong) or not built)
