"""A plain parameter is one query parameter; ``query`` with a model is all of them."""

from typing import Any

import pytest

from conftest import Site

ECHO = """
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Literal
from uuid import UUID

from collections import deque
from collections.abc import Sequence
from typing import NewType

from pydantic import BaseModel, Field, StrictInt

Number = NewType("Number", int)


class Size(Enum):
    small = 1
    large = 2


class Colour(str, Enum):
    red = "red"


async def GET(value: {annotation}):
    return {{"type": type(value).__name__, "value": repr(value)}}
"""


def ask(site: Site, annotation: str, query: str) -> tuple[int, Any]:
    site.serve({"echo/route.py": ECHO.format(annotation=annotation)})
    response = site.client.get(f"/echo?{query}")
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        ("str", "value=oak", "'oak'"),
        ("str", "value=", "''"),
        ("str", "value=a%20b%2Bc", "'a b+c'"),
        ("str", "value=a&value=b", "'b'"),
        ("int", "value=12", "12"),
        ("int", "value=-0", "0"),
        ("float", "value=1.5e3", "1500.0"),
        ("Decimal", "value=1.10", "Decimal('1.10')"),
        ("bool", "value=true", "True"),
        ("bool", "value=0", "False"),
        ("date", "value=2026-12-31", "datetime.date(2026, 12, 31)"),
        ("datetime", "value=2026-12-31T10:00:00", "datetime.datetime(2026, 12, 31, 10, 0)"),
        ("time", "value=10:30", "datetime.time(10, 30)"),
        ("UUID", "value=8f14e45f-ceea-4f7a-9fef-0123456789ab", "UUID('8f14e45f-ceea-4f7a-9fef-0123456789ab')"),
        ("Size", "value=2", "<Size.large: 2>"),
        ("Colour", "value=red", "<Colour.red: 'red'>"),
        ("Literal['a', 'b']", "value=b", "'b'"),
        ("int | None", "value=3", "3"),
        ("int | None = None", "", "None"),
        ("int = 7", "", "7"),
        ("list[int]", "value=1&value=2", "[1, 2]"),
        ("set[str]", "value=a&value=a", "{'a'}"),
        ("tuple[int, int]", "value=1&value=2", "(1, 2)"),
        ("list[int] | None = None", "", "None"),
        ("list[int] = []", "", "[]"),
        ("list[date]", "value=2026-01-01", "[datetime.date(2026, 1, 1)]"),
        ("Annotated[int, Field(ge=1, le=100)]", "value=100", "100"),
        ("Annotated[list[int], Field(max_length=2)]", "value=1&value=2", "[1, 2]"),
        ("Annotated[int, Field(alias='per-page')]", "per-page=5", "5"),
        ("Literal[1, True, 'a', Size.large]", "value=1", "1"),
        ("Literal[2, True]", "value=true", "True"),
        ("list[Literal[1, 2]]", "value=2&value=1", "[2, 1]"),
        ("Sequence[int]", "value=1&value=2", "[1, 2]"),
        ("deque[int]", "value=1", "deque([1])"),
        ("StrictInt", "value=1", "1"),
        ("Number", "value=1", "1"),
    ],
)
def test_a_query_parameter_is_converted_to_its_annotation(site: Site, annotation: str, query: str, value: str) -> None:
    status, answer = ask(site, annotation, query)

    assert (status, answer["value"]) == (200, value)


@pytest.mark.parametrize(
    ("annotation", "query", "kind"),
    [
        ("str", "", "missing"),
        ("list[int]", "", "missing"),
        ("int | None", "", "missing"),
        ("str", "value=%00", "string_nul"),
        ("int", "value=", "int_parsing"),
        ("int | None = None", "value=", "int_parsing"),
        ("int", "value=1_000", "int_parsing"),
        ("int", "value=1.0", "int_parsing"),
        ("int", "value=%201", "int_parsing"),
        ("int", "value=" + "9" * 5000, "int_parsing_size"),
        ("int", "value=%D9%A3", "int_parsing"),
        ("float", "value=nan", "float_parsing"),
        ("float", "value=1e999", "finite_number"),
        ("Decimal", "value=NaN", "decimal_parsing"),
        ("bool", "value=2", "bool_parsing"),
        ("date", "value=1700000000", "date_parsing"),
        ("datetime", "value=1700000000", "datetime_parsing"),
        ("time", "value=30", "time_parsing"),
        ("UUID", "value=8", "uuid_parsing"),
        ("UUID", "value=8f14e45fceea4f7a9fef0123456789ab", "uuid_parsing"),
        ("UUID", "value=urn:uuid:8f14e45f-ceea-4f7a-9fef-0123456789ab", "uuid_parsing"),
        ("Size", "value=3", "enum"),
        ("Colour", "value=blue", "enum"),
        ("Literal['a', 'b']", "value=c", "literal_error"),
        ("Literal[1, 2]", "value=3", "enum"),
        ("Number", "value=1_0", "int_parsing"),
        ("StrictInt", "value=1_0", "int_parsing"),
        ("list[int]", "value=1&value=x", "int_parsing"),
        ("Annotated[int, Field(ge=1)]", "value=0", "greater_than_equal"),
        ("Annotated[str, Field(max_length=3)]", "value=oaks", "string_too_long"),
    ],
)
def test_a_query_parameter_that_does_not_fit_is_a_422_that_names_it(
    site: Site, annotation: str, query: str, kind: str
) -> None:
    status, problem = ask(site, annotation, query)

    (entry,) = problem.pop("errors")
    assert (status, problem) == (422, {"type": "about:blank", "title": "Unprocessable Content", "status": 422})
    assert (entry["in"], entry["parameter"], entry["type"]) == ("query", "value", kind)
    assert sorted(entry) == ["detail", "in", "parameter", "type"]


def test_a_parameter_without_annotation_is_text(site: Site) -> None:
    site.serve({"echo/route.py": "async def GET(word, tail='none'): return [word, tail]"})

    assert site.client.get("/echo?word=7").json() == ["7", "none"]


def test_all_faults_of_a_request_are_told_together_in_the_order_of_the_signature(site: Site) -> None:
    site.serve(
        {
            "orders/route.py": """
                from typing import Annotated

                from pydantic import BaseModel

                from django_routehandlers import Cookie, Header


                class Order(BaseModel):
                    product: int
                    quantity: int


                async def POST(
                    page: int, body: Order, x_plan: Annotated[str, Header()], theme: Annotated[int, Cookie()]
                ):
                    return None
                """
        }
    )
    site.client.cookies["theme"] = "secret-theme"

    response = site.client.post("/orders?page=secret-page", {"product": "secret-product"}, "application/json")

    assert response.status_code == 422
    assert [{key: entry[key] for key in entry if key != "detail"} for entry in response.json()["errors"]] == [
        {"in": "query", "parameter": "page", "type": "int_parsing"},
        {"in": "header", "parameter": "X-Plan", "type": "missing"},
        {"in": "cookie", "parameter": "theme", "type": "int_parsing"},
        {"pointer": "#/product", "type": "int_parsing"},
        {"pointer": "#/quantity", "type": "missing"},
    ]
    assert b"secret" not in response.content


QUERY = """
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class Search(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str = Field(alias="q")
    tags: list[str] = []
    page: Annotated[int, Field(ge=1)] = 1


@dataclass
class Paging:
    page: int = 1
    ids: list[int] | None = None


class Typed(TypedDict, total=False):
    page: int


async def GET(query: {annotation}):
    return {{"query": query}}
"""


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        ("Search", "q=oak&tags=a&tags=b&page=2", {"q": "oak", "tags": ["a", "b"], "page": 2}),
        ("Search", "q=oak&tags=a", {"q": "oak", "tags": ["a"], "page": 1}),
        ("Search | None = None", "", None),
        ("Paging", "ids=1&ids=2&utm_source=x", {"page": 1, "ids": [1, 2]}),
        ("Typed", "page=3", {"page": 3}),
        ("dict[str, str]", "a=1&b=2&b=3", {"a": "1", "b": "3"}),
        ("dict[str, list[int]]", "a=1&b=2&b=3", {"a": [1], "b": [2, 3]}),
        ("str", "query=oak", "oak"),
    ],
)
def test_query_with_a_model_is_the_whole_query_string(site: Site, annotation: str, query: str, value: object) -> None:
    site.serve({"search/route.py": QUERY.format(annotation=annotation)})

    response = site.client.get(f"/search?{query}")

    assert (response.status_code, response.json()) == (200, {"query": value})


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("number=1_000", "int_parsing"),
        ("number=%2B1", "int_parsing"),
        ("numbers=1&numbers=2.0", "int_parsing"),
        ("price=nan", "float_parsing"),
        ("price=1e999", "finite_number"),
        ("name=%00", "string_nul"),
        ("day=1700000000", "date_parsing"),
        ("at=1700000000", "datetime_parsing"),
    ],
)
def test_texts_of_a_query_model_have_one_written_form(site: Site, query: str, kind: str) -> None:
    site.serve(
        {
            "search/route.py": """
                from datetime import date, datetime

                from pydantic import BaseModel


                class Search(BaseModel):
                    number: int = 0
                    numbers: list[int] = []
                    price: float | None = None
                    name: str = ""
                    day: date | None = None
                    at: datetime | None = None
                    size: float | str = ""


                async def GET(query: Search):
                    return query
                """
        }
    )

    response = site.client.get(f"/search?size=large&{query}")

    (entry,) = response.json()["errors"]
    assert (response.status_code, entry["parameter"], entry["type"]) == (422, query.partition("=")[0], kind)


def test_a_parameter_named_query_may_be_plain(site: Site) -> None:
    site.serve({"search/route.py": "async def GET(query): return query"})

    assert site.client.get("/search?query=oak").json() == "oak"


def test_faults_of_a_query_model_name_the_parameters(site: Site) -> None:
    site.serve({"search/route.py": QUERY.format(annotation="Search")})

    response = site.client.get("/search?tags=a&page=0&colour=red")

    assert [(entry["in"], entry["parameter"], entry["type"]) for entry in response.json()["errors"]] == [
        ("query", "q", "missing"),
        ("query", "page", "greater_than_equal"),
        ("query", "colour", "extra_forbidden"),
    ]


def test_more_parameters_than_django_allows_are_400(site: Site) -> None:
    site.settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
    site.serve({"echo/route.py": "async def GET(word: str): return word"})

    response = site.client.get("/echo?word=a" + "&x=1" * 20)

    assert (response.status_code, response.json()["detail"]) == (400, "The request has too many fields.")
