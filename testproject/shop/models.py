"""What the shop sells, to whom, and what was ordered."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Product(models.Model):
    """One thing on the shelf."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="In euros.")
    stock = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Customer(models.Model):
    """Somebody who orders."""

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    orders: models.Manager["Order"]

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What a customer bought at one time."""

    class Status(models.TextChoices):
        """How far an order has come."""

        NEW = "new"
        PAID = "paid"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="orders")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.NEW, db_index=True)
    placed = models.DateTimeField(default=timezone.now, db_index=True)
    receipt = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    idempotency_key = models.UUIDField(null=True, unique=True, editable=False)
    lines: models.Manager["OrderLine"]

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Order {self.pk}"


class OrderLine(models.Model):
    """One product of an order, at the price of that day."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="Of one, in euros.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"


class Subscriber(models.Model):
    """Somebody who gets the newsletter."""

    email = models.EmailField(unique=True)
    topics = models.JSONField(default=list)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.email


class ApiKey(models.Model):
    """What a program proves with whom it works for. The key itself is not kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="Which program it is for.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    last_used = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the hour.")
    revoked = models.DateTimeField(null=True, blank=True, help_text="From then on it opens nothing.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.user_id})"
