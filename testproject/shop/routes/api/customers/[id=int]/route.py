"""One customer with the numbers of his or her orders."""

from django.shortcuts import get_object_or_404

from shop.models import Customer
from shop.schemas import CustomerOut


def GET(id: int) -> dict[str, object]:
    """Return the customer."""
    customer = get_object_or_404(Customer, pk=id)
    orders = list(customer.orders.values_list("pk", flat=True))
    return {**CustomerOut.model_validate(customer).model_dump(), "orders": orders}
