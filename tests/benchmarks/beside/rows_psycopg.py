"""Read the table by psycopg's async pool, where there is no ORM of Django."""

from typing import Any

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool  # pyright: ignore[reportMissingImports]

from beside.project import url

COLUMNS = "SELECT id, name, price, stock FROM product"


class Rows:
    """The table, and the pool of connections to it."""

    def __init__(self) -> None:
        self.pool: Any = AsyncConnectionPool(
            url(), min_size=4, max_size=32, open=False, kwargs={"row_factory": dict_row, "autocommit": True}
        )

    async def one(self, number: int) -> dict[str, Any]:
        """Return a row."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(f"{COLUMNS} WHERE id = %s", [number])
            return await cursor.fetchone()

    async def all(self) -> list[dict[str, Any]]:
        """Return all rows."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(f"{COLUMNS} ORDER BY id")
            return await cursor.fetchall()
