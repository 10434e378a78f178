"""/api/reports/sales, for the staff."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F, Sum
from django.http import HttpRequest

from shop.models import OrderLine


def GET(request: HttpRequest) -> list[dict[str, object]]:
    """Return what each product has brought in, the best first."""
    user = request.user
    if not (isinstance(user, User) and user.is_staff):
        raise PermissionDenied("Sales are for the staff.")
    lines = OrderLine.objects.values(slug=F("product__slug"))
    sales = lines.annotate(sold=Sum("quantity"), euros=Sum(F("quantity") * F("price"))).order_by("-euros", "slug")
    return [{"slug": row["slug"], "sold": row["sold"], "euros": str(row["euros"])} for row in sales]
