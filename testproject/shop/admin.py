"""The shop's tables in Django's admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from django_routehandlers import revalidate_tag
from shop.models import ApiKey, Customer, Order, OrderLine, Product, Subscriber


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products, with the slug filled in from the name."""

    list_display = ["name", "price", "stock"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    actions = ["refresh_cached_products"]

    # For rows that a program has changed which is no Django: those of this admin end what is kept by themselves.
    @admin.action(description="Refresh cached products")
    def refresh_cached_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        """Have what the routes answer about products made anew, whichever rows are chosen."""
        revalidate_tag("products")
        self.message_user(request, "The next visitor gets products that are made anew.")


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    """Customers."""

    list_display = ["name", "email"]
    search_fields = ["name", "email"]


class OrderLineInline(admin.TabularInline):
    """The lines of an order, on its page."""

    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Orders with their lines."""

    list_display = ["id", "customer", "status", "placed"]
    list_filter = ["status"]
    inlines = [OrderLineInline]


@admin.register(Subscriber)
class SubscriberAdmin(admin.ModelAdmin):
    """Who gets the newsletter."""

    list_display = ["email", "topics"]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys of programs: which there are, which are dead, and an end to one. They are made by ``shop.api_keys``."""

    list_display = ["name", "user", "created", "last_used", "revoked"]
    readonly_fields = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
