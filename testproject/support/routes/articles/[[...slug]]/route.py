"""Help, an article below another."""

from dataclasses import dataclass

from django.http import Http404

from support.articles import ARTICLES


@dataclass
class Article:
    """One article, and the paths of those below it."""

    path: list[str]
    text: str
    below: list[str]


async def GET(slug: list[str]) -> Article:
    """Return an article; without a slug, the first page."""
    text = ARTICLES.get(tuple(slug))
    if text is None:
        raise Http404("There is no such article.")
    below = ["/".join(path) for path in ARTICLES if path[:-1] == tuple(slug) and path]
    return Article(slug, text, below)
