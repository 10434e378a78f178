"""The table that is read."""

from django.db import models


class Product(models.Model):
    """A row of it."""

    name = models.CharField(max_length=100)
    price = models.FloatField()
    stock = models.IntegerField()

    class Meta:
        """It is made by ``beside.database``."""

        db_table = "product"
        managed = False
