"""The way in: where things are."""

from django.urls import reverse


async def GET() -> dict[str, str]:
    """Return the URLs to begin with."""
    return {
        "products": reverse("routes:api-products"),
        "product": reverse("routes:product", kwargs={"slug": "oak-chair"}),
        "search": reverse("routes:api-search"),
        "orders": reverse("routes:api-orders"),
        "customers": reverse("routes:api-customers"),
        "rates": reverse("routes:api-rates"),
        "live": reverse("routes:live"),
        "help": reverse("routes:articles-slug", kwargs={"slug": ["orders", "returns"]}),
        "about": reverse("routes:about"),
        "admin": reverse("admin:index"),
    }
