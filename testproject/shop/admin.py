"""The shop's tables in Django's admin."""

from django.contrib import admin

from shop.models import Customer, Order, OrderLine, Product, Subscriber


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products, with the slug filled in from the name."""

    list_display = ["name", "price", "stock"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}


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
