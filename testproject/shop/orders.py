"""Place an order: the one thing in the shop that touches several tables at once."""

from django.db import transaction
from django.db.models import F

from shop.models import Customer, Order, OrderLine, Product
from shop.schemas import OrderIn


class CannotPlaceOrder(Exception):
    """The order cannot be placed; the message says why."""


@transaction.atomic
def place_order(order_in: OrderIn) -> Order:
    """
    Take the products off the shelf and return the new order.

    Raises:
        CannotPlaceOrder: No such customer or product, or too few in stock. Nothing has changed then.
    """
    customer = Customer.objects.filter(pk=order_in.customer).first()
    if customer is None:
        raise CannotPlaceOrder(f"There is no customer {order_in.customer}.")
    order = Order.objects.create(customer=customer)
    # Sorted: two orders that take the same products in another order would lock each other out.
    for line in sorted(order_in.lines, key=lambda line: line.product):
        product = Product.objects.filter(pk=line.product).first()
        if product is None:
            raise CannotPlaceOrder(f"There is no product {line.product}.")
        # One statement that both asks and takes: of two buyers of the last piece, one gets it.
        taken = Product.objects.filter(pk=product.pk, stock__gte=line.quantity).update(stock=F("stock") - line.quantity)
        if not taken:
            raise CannotPlaceOrder(f"There are fewer than {line.quantity} of {product.name}.")
        OrderLine.objects.create(order=order, product=product, quantity=line.quantity, price=product.price)
    return order
