"""Route files that declare one thing of each kind, for the tests of the OpenAPI document."""

from collections.abc import Mapping

ROUTES: Mapping[str, str] = {
    "api/items/route.py": '''
        """Things that can be had."""

        from datetime import date
        from decimal import Decimal
        from enum import Enum
        from typing import Annotated, Literal

        from django_routehandlers import Cookie, Header, JSONResponse
        from pydantic import BaseModel, Field


        class Color(Enum):
            RED = "red"
            BLUE = "blue"


        class Item(BaseModel):
            """A thing."""

            name: str = Field(min_length=1, max_length=40, examples=["chair"])
            price: Decimal = Field(ge=0, max_digits=8, decimal_places=2)
            colors: list[Color] = []
            parent: "Item | None" = None


        class Filter(BaseModel):
            search: str = Field("", description="Part of the name.", alias="q")
            colors: list[Color] = []
            at_most: int | None = Field(None, ge=1, le=100)


        class Taken(BaseModel):
            by: str


        async def GET(
            query: Filter,
            x_plan: Annotated[str, Header(), Field(max_length=10, description="The plan.")] = "free",
            tags: Annotated[list[str], Header("X-Tags")] = [],
            theme: Annotated[Literal["dark", "light"], Cookie()] = "light",
        ) -> list[Item]:
            """List the items.

            Newest first.
            """
            return [Item(name="chair", price=Decimal("1.50"))]


        async def POST(
            body: Item, since: date | None = None
        ) -> JSONResponse[Item, Literal[201]] | JSONResponse[Taken, Literal[409]]:
            """Add an item."""
            if body.name == "taken":
                return JSONResponse(Taken(by="ada"), status=409)
            return JSONResponse(body, status=201)
        ''',
    "api/items/[id]/route.py": '''
        from typing import Annotated

        from django.contrib.auth.models import User
        from pydantic import BaseModel, Field
        from typing_extensions import deprecated


        class Item(BaseModel):
            id: int


        async def GET(id: Annotated[int, Field(ge=1, description="Number of the item.")]) -> Item:
            return Item(id=id)


        @deprecated("Use PATCH.")
        async def PUT(id: int, body: Item) -> Item:
            """Replace an item."""
            return body


        async def DELETE(id: int, user: User) -> None: ...


        async def PATCH(id: int, body: dict[str, int | None], user: User | None) -> Item | None:
            return Item(id=id) if body else None
        ''',
    "api/items/by-name/[slug=slug]/route.py": """
        def GET(slug: str, limit: int = 10, tag: list[str] = []) -> dict[str, int]:
            return {slug: limit}
        """,
    "api/forms/route.py": """
        from typing import Annotated

        from django.core.files.uploadedfile import UploadedFile
        from django_routehandlers import Form
        from pydantic import BaseModel


        class Address(BaseModel):
            street: str
            numbers: list[int] = []


        async def POST(address: Annotated[Address, Form()], note: Annotated[str, Form()] = "") -> Address:
            return address


        async def PUT(picture: UploadedFile, title: Annotated[str, Form()], more: list[UploadedFile] = []) -> str:
            return title
        """,
    "api/raw/route.py": """
        async def POST(body: bytes) -> int:
            return len(body)


        async def PUT(body: str = "") -> int:
            return len(body)
        """,
    "(live)/lines/route.py": """
        from collections.abc import AsyncIterator, Iterator

        from pydantic import BaseModel


        class Reading(BaseModel):
            sensor: str
            value: float


        async def POST(body: AsyncIterator[Reading]) -> int:
            return len([reading async for reading in body])

        def PUT(body: Iterator[Reading | None]) -> int:
            return len(list(body))
        """,
    "(live)/events/route.py": """
        from collections.abc import AsyncIterator

        from pydantic import BaseModel


        class Event(BaseModel):
            number: int


        async def GET(count: int = 1) -> AsyncIterator[Event]:
            for number in range(min(max(count, 0), 3)):
                yield Event(number=number)
        """,
    "files/[...path]/route.py": """
        def GET(path: list[str]) -> list[str]:
            return path
        """,
    "docs/[[...slug]]/route.py": """
        from django.http import HttpResponse


        def GET(slug) -> HttpResponse:
            return HttpResponse("/".join(slug), content_type="text/plain")


        def HEAD(slug):
            return HttpResponse()
        """,
    "untold/route.py": """
        def POST(request):
            return {"any": "thing"}
        """,
    "hidden/route.py": """
        openapi = False


        def GET():
            return 1
        """,
}
"""Path below ``routes/`` → source."""
