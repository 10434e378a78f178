"""One customer."""

from django.http import Http404

from shop.models import Customer
from shop.schemas import CustomerWithOrders

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


def GET(id: int) -> CustomerWithOrders:
    """Return a customer with the numbers of his or her orders."""
    customer = Customer.objects.filter(pk=id).first()
    if customer is None:
        raise Http404(f"There is no customer {id}.")
    orders = list(customer.orders.values_list("pk", flat=True))
    return CustomerWithOrders(id=customer.pk, name=customer.name, email=customer.email, orders=orders)
