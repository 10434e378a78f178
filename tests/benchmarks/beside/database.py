"""Fill the database that all read, which ``engine_database`` runs."""

from engine_database import query

from beside.work import PRODUCTS


def fill() -> None:
    """Make the table and its rows."""
    query(
        "CREATE TABLE product (id bigint PRIMARY KEY, name varchar(100) NOT NULL, "
        "price double precision NOT NULL, stock integer NOT NULL)"
    )
    for product in PRODUCTS:
        query("INSERT INTO product VALUES (%s, %s, %s, %s)", *product.values())


def set_stock(number: int, stock: object) -> None:
    """Change a row, as another process would."""
    query("UPDATE product SET stock = %s WHERE id = %s", stock, number)
