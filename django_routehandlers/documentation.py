"""
Say where the documentation tells more of a system check.

The address is the distribution's own, the ``Documentation`` URL of its metadata, so that it is written in one place
and a fork's messages lead to the fork's pages. Where the metadata name none, the page in the repository is named.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from importlib.metadata import PackageNotFoundError, metadata

from django.apps import AppConfig
from django.core.checks import CheckMessage

DISTRIBUTION = "django-routehandlers"
"""The distribution whose metadata have the address."""
LABEL = "documentation"
"""Its label among the project URLs, normalised as PyPI does it (well-known project URLs)."""
PAGE = "reference/checks"
"""The page that has a section for each check, without suffix."""

Check = Callable[..., Sequence[CheckMessage]]


def linked(check: Check) -> Check:
    """Return *check* with a hint in each message of where to read on."""

    @wraps(check)
    def with_links(app_configs: Sequence[AppConfig] | None = None, **kwargs: object) -> list[CheckMessage]:
        found = list(check(app_configs, **kwargs))
        address = documentation_url(_project_urls()) if found else None
        for message in found:
            message.hint = " ".join(filter(None, [message.hint, see(str(message.id), address)]))
        return found

    return with_links


def see(id: str, address: str | None) -> str:
    """
    Return the sentence that leads to what is told of a check.

    Args:
        id: Of the check, with its prefix: ``routehandlers.E012``.
        address: Of the documentation, without a slash at its end.
    """
    if address is None:
        return f"See {id} in docs/{PAGE}.md."
    # No full stop, which terminals would take for a part of the URL.
    return f"See {address}/{PAGE}.html#{anchor(id)}"


def anchor(heading: str) -> str:
    """Return the fragment that docutils makes of a heading that is an id or a name."""
    return heading.lower().replace(".", "-").replace("_", "-")


def documentation_url(project_urls: Iterable[str]) -> str | None:
    """Return the address among *project_urls*, each ``Label, URL``, without a slash at its end."""
    for label, _, url in (line.partition(",") for line in project_urls):
        if label.strip().lower() == LABEL:
            return url.strip().rstrip("/")
    return None


def _project_urls() -> list[str]:
    try:
        return metadata(DISTRIBUTION).get_all("Project-URL") or []
    except PackageNotFoundError:
        # A copy of the source on the path, which nothing has installed.
        return []
