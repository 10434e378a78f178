"""One product by its slug; the folder pins Django's own path converter."""

from django.http import Http404

from shop.models import Product
from shop.schemas import ProductOut, product_out

name = "product"


async def GET(slug: str) -> ProductOut:
    """Return the product."""
    product = await Product.objects.filter(slug=slug).afirst()
    if product is None:
        raise Http404(f"There is no product {slug}.")
    return product_out(product)
