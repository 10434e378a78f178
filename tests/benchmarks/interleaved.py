"""Measure rows in turn, so that what disturbs the machine disturbs all."""

from collections.abc import Callable

from engine_rows import Row

Ask = Callable[[Row, int], float]
"""Sends so many requests, keeps what one took in the row, and returns it."""


def measure(rows: list[Row], ask: Ask, rounds: int, seconds: float, least: int) -> None:
    """
    Ask all rows in turn, in each round for as many requests as take so long.

    Args:
        seconds: How long a row is asked in a round.
        least: Requests in a round, at least.
    """
    counts: dict[int, int] = {}
    for index, row in enumerate(rows):
        ask(row, least)
        ask(row, least)
        counts[index] = max(least, min(2000, int(seconds / ask(row, least))))
        ask(row, counts[index])
        row.wall.clear()
        row.cpu.clear()
    for _ in range(rounds):
        for index, row in enumerate(rows):
            ask(row, counts[index])
