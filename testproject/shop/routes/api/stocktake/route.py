"""Counting what is on the shelves: a job that says how far it has come."""

import asyncio
from collections.abc import AsyncIterator

from shop.models import Product
from shop.schemas import Counted

WALK = 0.06  # seconds from one shelf to the next; stands in for work


async def POST() -> AsyncIterator[Counted]:
    """
    Count the products, one after the other.

    Each line is sent when it has been counted. Who leaves early stops the counting.
    """
    products = [product async for product in Product.objects.only("slug", "stock")]
    for done, product in enumerate(products, 1):
        await asyncio.sleep(WALK)
        yield Counted(product=product.slug, stock=product.stock, done=done, total=len(products))
