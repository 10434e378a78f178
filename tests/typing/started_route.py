"""GET, POST, PUT, PATCH and DELETE of /orders/[id]/[day]/[uuid]."""

from datetime import date
from typing import Literal
from uuid import UUID

from django_routehandlers import JSONResponse
from pydantic import BaseModel


class OrdersBody(BaseModel):
    """What POST, PUT and PATCH take."""

    name: str


async def GET(id: int, day: date, uuid: UUID) -> dict[str, int | date | UUID]:
    """Return the segments of the URL."""
    return {"id": id, "day": day, "uuid": uuid}


async def POST(
    id: int,
    day: date,
    uuid: UUID,
    body: OrdersBody,
) -> JSONResponse[OrdersBody, Literal[201]]:
    """Return the body with status 201."""
    return JSONResponse(body, status=201)


async def PUT(id: int, day: date, uuid: UUID, body: OrdersBody) -> OrdersBody:
    """Return the body."""
    return body


async def PATCH(
    id: int,
    day: date,
    uuid: UUID,
    body: OrdersBody,
) -> OrdersBody:
    """Return the body."""
    return body


async def DELETE(id: int, day: date, uuid: UUID) -> None:
    """Answer 204, with no content."""
