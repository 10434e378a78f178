from beside.orders_pydantic import Order, Placed, place


async def POST(body: Order) -> Placed:
    return place(body)
