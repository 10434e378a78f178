"""Support as a Django app."""

from django.apps import AppConfig


class SupportConfig(AppConfig):
    """Opening hours and help articles; it has routes and no tables."""

    name = "support"
