"""Many products at once, a JSON line each."""

from collections.abc import AsyncIterator

from shop.models import Product
from shop.schemas import Imported, ProductIn

BATCH = 500  # products


async def POST(body: AsyncIterator[ProductIn]) -> Imported:
    """
    Add products while their lines arrive.

    Those that are there already stay as they are, so what was broken off can be sent again from its
    beginning. A line that does not fit ends the import; up to 500 lines before it have not been stored.
    """
    lines = 0
    batch: dict[str, Product] = {}
    async for product in body:
        lines += 1
        batch.setdefault(product.slug, Product(slug=product.slug, **product.model_dump()))
        if len(batch) >= BATCH:
            await store(batch)
            batch.clear()
    await store(batch)
    return Imported(lines=lines, products=await Product.objects.acount())


async def store(batch: dict[str, Product]) -> None:
    """Add those of the products, slug → product, that are new."""
    # In one order: two imports of the same products could lock each other out.
    await Product.objects.abulk_create([batch[slug] for slug in sorted(batch)], ignore_conflicts=True)
