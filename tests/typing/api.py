"""The public API as a user's type checker sees it. Never run: pyright and mypy read it, strictly."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, assert_type

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers import (
    CallNext,
    Cookie,
    EventStreamResponse,
    Form,
    Header,
    JSONResponse,
    NDJSONResponse,
    Problem,
    ServerSentEvent,
    SyncCallNext,
    after,
    arevalidate_path,
    arevalidate_tag,
    cached,
    fetch,
    revalidate_path,
    revalidate_tag,
)
from django_routehandlers.caching import StoreError, revalidate_all, stats


@dataclass
class Product:
    """What a product looks like to clients."""

    id: int
    name: str


async def GET(id: int) -> JSONResponse[Product] | JSONResponse[dict[str, str], Literal[404]]:
    """Answer one of two bodies, each with its status."""
    if id < 1:
        # Within a union mypy infers a status only where it is written down.
        return JSONResponse[dict[str, str], Literal[404]]({"error": "Not found"}, status=404)
    return JSONResponse(Product(id, "Kettle"))


async def POST(request: HttpRequest) -> JSONResponse[Product, Literal[201]]:
    """Answer a status other than 200."""
    return JSONResponse(Product(1, request.method or ""), status=201, headers={"Location": "/1"})


async def wrong_status() -> JSONResponse[Product, Literal[201]]:
    """Answer what was not promised."""
    return JSONResponse(Product(1, "Kettle"), status=200)  # type: ignore[arg-type]


async def wrong_body() -> JSONResponse[Product, Literal[201]]:
    """Answer what was not promised."""
    return JSONResponse({"id": 1}, status=201)  # type: ignore[arg-type]


async def PUT(
    id: int,
    body: Product,
    x_plan: Annotated[str, Header()],
    theme: Annotated[str | None, Cookie()] = None,
    page: Annotated[int, Header("X-Page")] = 1,
) -> Product:
    """Take inputs of several places, each of which has the type of its annotation."""
    assert_type(x_plan, str)
    assert_type(theme, str | None)
    assert_type(page, int)
    return body


async def DELETE(id: int) -> None:
    """Raise a problem, of which a checker knows that nothing comes behind it."""
    raise Problem(409, "Closed.", type="https://shop.example/closed", headers={"Retry-After": "5"}, left=[id])


async def wrong_problem() -> None:
    """Say the status as text."""
    raise Problem("409")  # type: ignore[arg-type]


async def PATCH(name: Annotated[str, Form()]) -> None:
    """Take a form."""
    assert_type(name, str)


async def optional(id: int) -> Product | None:
    """Answer a value, or 204."""
    return Product(id, "Kettle") if id else None


def listed() -> list[Product] | JSONResponse[dict[str, str], Literal[404, 410]]:
    """Answer values, or one of two statuses."""
    return JSONResponse({"error": "Gone"}, status=410)


async def rows() -> AsyncIterator[dict[str, int]]:
    """Yield one row."""
    yield {"n": 1}


assert_type(JSONResponse(Product(1, "Kettle")), JSONResponse[Product, Literal[200]])
assert_type(JSONResponse(Product(1, "Kettle")).data, Product)
stream: NDJSONResponse = NDJSONResponse(rows(), status=200)


async def ticks() -> AsyncIterator[ServerSentEvent[dict[str, int]]]:
    """Yield events, one of them without data."""
    yield ServerSentEvent({"n": 1}, event="tick", id="1")
    yield ServerSentEvent(retry=1000)


def streamed() -> NDJSONResponse[dict[str, int]]:
    """Answer lines."""
    return NDJSONResponse(rows())


def evented() -> EventStreamResponse[dict[str, int]]:
    """Answer events."""
    return EventStreamResponse(ticks(), heartbeat=5)


assert_type(streamed(), NDJSONResponse[dict[str, int]])
assert_type(ServerSentEvent({"n": 1}), ServerSentEvent[dict[str, int]])


@cached
def total(product: int, *, taxed: bool = False) -> float:
    """Return a result that is kept."""
    return product * (1.2 if taxed else 1.0)


def tags_of(id: int) -> list[str]:
    """Return the tags of a result."""
    return [f"product:{id}"]


@cached(revalidate=False, tags=tags_of, depends_on=["shop_product"])
async def product_of(id: int) -> Product:
    """Return a result that is kept, in async code."""
    return Product(id, (await fetch("https://example.com/", revalidate=60, tags=["names"])).text)


async def around(request: HttpRequest, call_next: CallNext) -> HttpResponseBase:
    """Go around routes on the event loop."""
    response = await call_next(request)
    response.headers["X-Served-By"] = request.path
    return response


def sync_around(request: HttpRequest, call_next: SyncCallNext) -> HttpResponseBase | dict[str, str]:
    """Go around routes in a thread; what a handler may return will do."""
    if request.method == "GET":
        return assert_type(call_next(request), HttpResponseBase)
    return {"by": "middleware"}


async def never_awaited(request: HttpRequest, call_next: CallNext) -> HttpResponseBase:
    """Return what is still to be awaited."""
    return call_next(request)  # type: ignore[return-value]


async def mail(to: str, *, subject: str = "") -> None:
    """Stand for work behind the response."""


def do_later() -> None:
    """Give work away, whose arguments are checked as those of a call."""
    after(total, 1, taxed=True)
    after(mail, "ada@example.com", subject="Thanks")
    after(mail, 1)  # type: ignore[arg-type]


async def invalidate() -> Mapping[str, int]:
    """Invalidate in each way."""
    try:
        await arevalidate_tag("a", "b")
        await arevalidate_path("/a", below=True)
    except StoreError:
        revalidate_all()
    revalidate_tag("a")
    revalidate_path("/a")
    assert_type(await product_of(1), Product)
    return stats()


assert_type(total(1, taxed=True), float)
