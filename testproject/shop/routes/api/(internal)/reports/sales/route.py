"""For the staff, logged in at /admin/."""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F, Sum

from shop.models import OrderLine


@dataclass
class Sales:
    """What one product has brought in."""

    slug: str
    sold: int
    euros: Decimal


def GET(user: User) -> list[Sales]:
    """Return what each product has brought in, the best first."""
    if not user.is_staff:
        raise PermissionDenied("Sales are for the staff.")
    lines = OrderLine.objects.values(slug=F("product__slug"))
    sales = lines.annotate(sold=Sum("quantity"), euros=Sum(F("quantity") * F("price"))).order_by("-euros", "slug")
    # SQLite adds up decimals as floats.
    return [Sales(row["slug"], row["sold"], row["euros"].quantize(Decimal("0.01"))) for row in sales]
