"""Orders as they are placed, for a browser's EventSource."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone
from pydantic import Field

from django_routehandlers import Header, ServerSentEvent
from shop.models import Order
from shop.schemas import Key, OrderOut

from ..._lib.queries import whole_orders

PAUSE = 0.25  # seconds between two looks into the database
RETRY = 1000  # milliseconds until a browser that was cut off connects again
PAGE = 10  # orders
# Orders get their numbers before they are committed, so a lower one can come to light after a higher one.
# They are shown when they are this old, which is longer than it takes to place one.
SETTLED = timedelta(seconds=0.5)


async def GET(
    last_event_id: Annotated[
        Key | None, Header(), Field(description="Number of the last order that the client knows.")
    ] = None,
    limit: Annotated[int | None, Field(ge=1, description="End after so many orders.")] = None,
) -> AsyncIterator[ServerSentEvent[OrderOut]]:
    """
    Send the orders behind the last one that the client knows, then each one as it is placed.

    A client that knows none begins with the newest. A browser that is cut off connects again by itself.
    """
    newest = await Order.objects.order_by("-pk").afirst()
    last = last_event_id or (newest.pk - 1 if newest else 0)
    sent = 0
    yield ServerSentEvent(retry=RETRY)
    while True:
        settled = whole_orders().filter(pk__gt=last, placed__lte=timezone.now() - SETTLED)
        page = [order async for order in settled[:PAGE]]
        for order in page:
            yield ServerSentEvent(OrderOut.of(order), event="order", id=str(order.pk))
            last = order.pk
            sent += 1
            if sent == limit:
                return
        if len(page) < PAGE:
            # Hundreds of clients wait here, and a database has not that many connections.
            await sync_to_async(_let_go)()
            await asyncio.sleep(PAUSE)


def _let_go() -> None:
    # A test keeps its transaction open, on the connection of its views.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
