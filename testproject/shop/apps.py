"""The shop as a Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Products, customers and orders."""

    name = "shop"
