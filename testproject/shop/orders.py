"""Place an order: the one thing in the shop that touches several tables at once."""

from uuid import UUID

from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F

from shop.models import Customer, Order, OrderLine, Product
from shop.schemas import OrderIn


class CannotPlaceOrder(Exception):
    """The order cannot be placed; the message says why."""


def place_order(order_in: OrderIn, key: UUID | None) -> tuple[Order, bool]:
    """
    Take the products off the shelf; return the order, and whether it is new.

    Args:
        key: What the client calls this order. One that is known gives the order that was placed by it.

    Raises:
        CannotPlaceOrder: No such customer or product, too few in stock, or the key is another
            order's. Nothing has changed then.
    """
    try:
        if (order := _placed_before(order_in, key)) is not None:
            return order, False
        return _place(order_in, key), True
    except IntegrityError:
        # Said at the end of the transaction: the same key has come twice at once, or the customer has just left.
        order = _placed_before(order_in, key)
        if order is None:
            raise CannotPlaceOrder(f"There is no customer {order_in.customer}.") from None
        return order, False


def confirm_order(order: Order) -> None:
    """Thank the customer by mail."""
    lines = [f"{line.quantity} x {line.product.name}" for line in order.lines.select_related("product")]
    text = "\n".join([f"Dear {order.customer.name},", "", "thank you for your order:", *lines])
    send_mail(f"Your order {order.pk}", text, None, [order.customer.email])


def _placed_before(order_in: OrderIn, key: UUID | None) -> Order | None:
    order = None if key is None else Order.objects.filter(idempotency_key=key).first()
    if order is not None:
        lines = sorted(order.lines.values_list("product_id", "quantity"))
        wanted = sorted((line.product, line.quantity) for line in order_in.lines)
        if (order.customer_id, lines) != (order_in.customer, wanted):
            raise CannotPlaceOrder("This Idempotency-Key is another order's.")
    return order


@transaction.atomic
def _place(order_in: OrderIn, key: UUID | None) -> Order:
    customer = Customer.objects.filter(pk=order_in.customer).first()
    if customer is None:
        raise CannotPlaceOrder(f"There is no customer {order_in.customer}.")
    order = Order.objects.create(customer=customer, idempotency_key=key)
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
