"""
Say where the documentation tells more of a system check, of a setting, or of an error.

The address is the distribution's own, the ``Documentation`` URL of its metadata, so that it is written in one place
and a fork's messages lead to the fork's pages. Where the metadata name none, the page in the repository is named.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from importlib.metadata import PackageNotFoundError, metadata
from typing import ClassVar, TypeVar

from django.apps import AppConfig
from django.core.checks import CheckMessage

DISTRIBUTION = "django-routehandlers"
"""The distribution whose metadata have the address."""
LABEL = "documentation"
"""Its label among the project URLs, normalised as PyPI does it (well-known project URLs)."""
CHECKS = "reference/checks"
"""The page that has a section for each check, without suffix."""
SETTINGS = "reference/settings"
"""The page that has a section for each setting."""

_NAMED = re.compile(r"""ROUTEHANDLERS\[["'](\w+)["']\]""")

Check = Callable[..., Sequence[CheckMessage]]
_E = TypeVar("_E", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Section:
    """A place in the documentation. Written out where it is made: a test holds all of them against the pages."""

    page: str
    """Without suffix: ``reference/checks``."""
    heading: str
    """Of the section, or of the page."""


def linked(settings: Collection[str]) -> Callable[[Check], Check]:
    """
    Return what has a check say in each message where to read on: of the check, and of each setting it speaks of.

    Args:
        settings: The names in ``ROUTEHANDLERS`` that have a section.
    """

    def link(check: Check) -> Check:
        @wraps(check)
        def with_links(app_configs: Sequence[AppConfig] | None = None, **kwargs: object) -> list[CheckMessage]:
            found = list(check(app_configs, **kwargs))
            for message in found:
                named = dict.fromkeys(_NAMED.findall(f"{message.msg} {message.hint}"))
                about = [Section(SETTINGS, name) for name in named if name in settings]
                message.hint = " ".join(filter(None, [message.hint, see(Section(CHECKS, str(message.id)), *about)]))
            return found

        return with_links

    return link


def documented(error: _E, section: Section) -> _E:
    """Return *error* with a note (PEP 678) of where to read on, which tracebacks, logs and Django's debug page show."""
    error.add_note(see(section))
    return error


class Documented(Exception):
    """An error that has a note of where to read on."""

    section: ClassVar[Section]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.add_note(see(self.section))


def see(*sections: Section) -> str:
    """Return the sentence that leads to *sections*."""
    address = _address()
    if address is None:
        return f"See {' and '.join(f'{one.heading} in docs/{one.page}.md' for one in sections)}."
    # No full stop, which terminals would take for a part of the URL.
    return "See " + " and ".join(f"{address}/{one.page}.html#{anchor(one.heading)}" for one in sections)


def anchor(heading: str) -> str:
    """Return the fragment that docutils makes of a heading. Source: ``docutils.nodes.make_id()``."""
    return re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")


def documentation_url(project_urls: Iterable[str]) -> str | None:
    """Return the address among *project_urls*, each ``Label, URL``, without a slash at its end."""
    for label, _, url in (line.partition(",") for line in project_urls):
        if label.strip().lower() == LABEL:
            return url.strip().rstrip("/")
    return None


@lru_cache(maxsize=1)
def _address() -> str | None:
    try:
        return documentation_url(metadata(DISTRIBUTION).get_all("Project-URL") or [])
    except PackageNotFoundError:
        # A copy of the source on the path, which nothing has installed.
        return None
