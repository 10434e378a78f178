"""The list of customers, by a plain function with the ORM as one knows it."""

from shop.models import Customer
from shop.schemas import CustomerOut


def GET() -> list[CustomerOut]:
    """Return all customers."""
    return [CustomerOut.model_validate(customer) for customer in Customer.objects.all()]
