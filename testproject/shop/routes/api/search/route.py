"""Products, found by what is asked of them."""

from shop.schemas import ProductOut, ProductPage, Search

from .._lib.queries import products_with

tags = ["products"]


async def GET(query: Search) -> ProductPage:
    """Return one page of the products that are found."""
    found = products_with("name", query.text).order_by(query.sort, "id")
    if query.at_least is not None:
        found = found.filter(price__gte=query.at_least)
    if query.at_most is not None:
        found = found.filter(price__lte=query.at_most)
    if query.in_stock:
        found = found.filter(stock__gt=0)
    start = (query.page - 1) * query.size
    products = [ProductOut.model_validate(product) async for product in found[start : start + query.size]]
    return ProductPage(products=products, total=await found.acount())
