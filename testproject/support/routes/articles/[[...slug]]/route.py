"""/support/articles and all below it."""

from django.http import Http404

from support.articles import ARTICLES


async def GET(slug: list[str]) -> dict[str, object]:
    """Return the article; without a slug, the first page."""
    text = ARTICLES.get(tuple(slug))
    if text is None:
        raise Http404("There is no such article.")
    below = ["/".join(path) for path in ARTICLES if path[:-1] == tuple(slug) and path]
    return {"path": slug, "text": text, "below": below}
