"""One product by its slug."""

from django.http import Http404

from shop.models import Product
from shop.schemas import ProductOut

name = "product"
revalidate = 300  # seconds
tags = ["products"]


# The folder pins Django's own path converter, [slug=slug].
async def GET(slug: str) -> ProductOut:
    """Return the product of a slug."""
    product = await Product.objects.filter(slug=slug).afirst()
    if product is None:
        raise Http404(f"There is no product {slug}.")
    return ProductOut.model_validate(product)
