"""``body`` is the content of the request, read as its annotation says; everything else is a documented problem."""

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from conftest import Site

TYPES = """
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class Item(BaseModel):
    name: Annotated[str, Field(min_length=1)]
    price: Decimal
    added: date | None = None


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    id: UUID
    day: date


@dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    colour: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Order(BaseModel):
    items: list[Item]
    by_day: dict[str, Item] = {{}}


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


async def POST(body: {annotation}):
    return {{"value": repr(body)}}
"""


def post(site: Site, annotation: str, content: bytes | str, content_type: str = "application/json") -> tuple[int, Any]:
    site.serve({"echo/route.py": TYPES.format(annotation=annotation)})
    response = site.client.generic("POST", "/echo", content, content_type)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("annotation", "content", "value"),
    [
        ("Item", '{"name": "Oak", "price": "1.10"}', "Item(name='Oak', price=Decimal('1.10'), added=None)"),
        ("list[Item]", "[]", "[]"),
        ("Point", '{"x": 1}', "Point(x=1, y=0)"),
        ("Options", '{"colour": "red"}', "{'colour': 'red'}"),
        ("dict", '{"a": [1, null]}', "{'a': [1, None]}"),
        ("dict[str, int]", '{"a": 1}', "{'a': 1}"),
        ("list[int]", "[1, 2]", "[1, 2]"),
        ("tuple[int, str]", '[1, "a"]', "(1, 'a')"),
        ("int", "7", "7"),
        ("Item | Point", '{"x": 1}', "Point(x=1, y=0)"),
        ("Pet", '{"kind": "dog", "tricks": ["sit"]}', "Dog(kind='dog', tricks=['sit'])"),
        ("Any", "null", "None"),
        ("Item | None", "null", "None"),
        ("Item | None = None", "", "None"),
        ("Point = Point(1, 2)", "", "Point(x=1, y=2)"),
        ("Annotated[list[int], Field(max_length=2)]", "[1, 2]", "[1, 2]"),
        ("datetime", '"2026-01-01T00:00:00Z"', "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=TzInfo(0))"),
        (
            "Strict",
            '{"id": "8f14e45f-ceea-4f7a-9fef-0123456789ab", "day": "2026-01-01"}',
            "Strict(id=UUID('8f14e45f-ceea-4f7a-9fef-0123456789ab'), day=datetime.date(2026, 1, 1))",
        ),
    ],
)
def test_json_becomes_the_annotated_type(site: Site, annotation: str, content: str, value: str) -> None:
    assert post(site, annotation, content) == (200, {"value": value})


@pytest.mark.parametrize(
    ("annotation", "content", "errors"),
    [
        ("Item", '{"price": 1}', [("#/name", "missing")]),
        ("Item", '{"name": "", "price": "x"}', [("#/name", "string_too_short"), ("#/price", "decimal_parsing")]),
        ("Item", "null", [("#", "model_type")]),
        ("Item", "[]", [("#", "model_type")]),
        ("Item | None = None", '{"name": "a", "price": "x"}', [("#/price", "decimal_parsing")]),
        ("Order", '{"items": [{"name": "a", "price": 1}, {"name": "b"}]}', [("#/items/1/price", "missing")]),
        (
            "Order",
            '{"items": [], "by_day": {"a/b~c d": {"name": "b", "price": null}}}',
            [("#/by_day/a~1b~0c%20d/price", "decimal_type")],
        ),
        ("dict[int, int]", '{"a": 1}', [("#/a", "int_parsing")]),
        ("Pet", '{"kind": "cat", "lives": "x"}', [("#/lives", "int_parsing")]),
        ("Pet", '{"kind": "cow"}', [("#", "union_tag_invalid")]),
        (
            "Item | Point",
            '{"x": "a"}',
            [("#/name", "missing"), ("#/price", "missing"), ("#/x", "int_parsing")],
        ),
        ("Strict", '{"id": 1, "day": "2026-01-01", "more": 1}', [("#/id", "uuid_type"), ("#/more", "extra_forbidden")]),
        ("list[int]", "[1, true, 2.5]", [("#/2", "int_from_float")]),
    ],
)
def test_json_that_does_not_fit_is_a_422_with_pointers(
    site: Site, annotation: str, content: str, errors: list[tuple[str, str]]
) -> None:
    status, problem = post(site, annotation, content)

    assert (status, [(entry["pointer"], entry["type"]) for entry in problem["errors"]]) == (422, errors)


NOT_JSON = {
    "empty": b"",
    "white space": b" ",
    "cut off": b'{"name": ',
    "NaN": b'{"name": "a", "price": NaN}',
    "Infinity": b"[-Infinity]",
    "a number beyond 64-bit floats": b"[1e999]",
    "an integer of 400 digits": b"9" * 400,
    "an integer of 5,000 digits": b"9" * 5000,
    "a name twice": b'{"name": "a", "name": "b", "price": 1}',
    "a name twice, below": b'{"items": [{"name": "a", "name": "b", "price": 1}]}',
    "a name twice, escaped": b'{"n\\u0061me": "a", "name": "b", "price": 1}',
    "invalid UTF-8": b'{"name": "\xff", "price": 1}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "a", "price": 1}',
    "UTF-16": '{"name": "a", "price": 1}'.encode("utf-16"),
    "a lone surrogate": b'{"name": "\\ud800", "price": 1}',
    "trailing content": b'{"name": "a", "price": 1} x',
    "a comment": b'{"name": "a" /* b */, "price": 1}',
    "single quotes": b"{'name': 'a'}",
    "250 levels": b"[" * 250 + b"]" * 250,
    "900 levels": b'{"a":' * 900 + b"1" + b"}" * 900,
    "100,000 levels": b"[" * 100_000,
}


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON.keys())
@pytest.mark.parametrize("annotation", ["Order", "Any"])
def test_what_is_not_json_is_400(site: Site, content: bytes, annotation: str) -> None:
    status, problem = post(site, annotation, content)

    assert (status, problem["title"], problem["detail"].startswith("The body is ")) == (400, "Bad Request", True)
    assert "errors" not in problem


def test_without_content_the_media_type_does_not_matter(site: Site) -> None:
    """Django's development server names one that the client has not sent."""
    site.serve({"echo/route.py": "async def POST(body: dict | None = None): return [body]"})

    assert site.client.generic("POST", "/echo", b"", "text/plain").json() == [None]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/vnd.shop.item+json",
        "application/merge-patch+json",
    ],
)
def test_media_types_of_json_are_read(site: Site, content_type: str) -> None:
    assert post(site, "int", "7", content_type) == (200, {"value": "7"})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/json-seq",
        "application/jsonl",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "nonsense",
    ],
)
def test_other_media_types_are_415_and_the_answer_names_the_right_one(site: Site, content_type: str) -> None:
    site.serve({"echo/route.py": "async def POST(body: int): return body"})

    response = site.client.generic("POST", "/echo", b"7", content_type)

    assert (response.status_code, response.headers["Accept"]) == (415, "application/json")
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "deflate"])
@pytest.mark.parametrize("annotation", ["int", "bytes", "Annotated[str, Form()]"])
def test_a_content_coding_is_415_before_the_content_is_read(site: Site, coding: str, annotation: str) -> None:
    source = "from typing import Annotated\nfrom django_routehandlers import Form\n"
    site.serve({"echo/route.py": f"{source}async def POST(body: {annotation}): return None"})

    response = site.client.generic("POST", "/echo", b"7", "application/json", headers={"Content-Encoding": coding})

    assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "identity")


def test_the_coding_identity_is_none(site: Site) -> None:
    site.serve({"echo/route.py": "async def POST(body: int): return body"})

    response = site.client.generic("POST", "/echo", b"7", "application/json", headers={"Content-Encoding": "identity"})

    assert response.json() == 7


@pytest.mark.parametrize(
    ("annotation", "content", "content_type", "value"),
    [
        ("bytes", b"\x00\xff", "image/png", "b'\\x00\\xff'"),
        ("bytes", b"", "", "b''"),
        ("bytes | None = None", b"", "", "None"),
        ("str", "naïve".encode(), "text/plain", "'naïve'"),
        ("str", "naïve".encode("latin-1"), "text/plain; charset=iso-8859-1", "'naïve'"),
        ("str", b"", "", "''"),
        ("Annotated[str, Field(max_length=3)]", b"oak", "text/csv", "'oak'"),
    ],
)
def test_bytes_and_text_are_taken_as_they_are(
    site: Site, annotation: str, content: bytes, content_type: str, value: str
) -> None:
    assert post(site, annotation, content, content_type) == (200, {"value": value})


@pytest.mark.parametrize(
    ("annotation", "content", "content_type", "status"),
    [
        ("str", b"\xff", "text/plain", 400),
        ("str", b"a", "text/plain; charset=punycode", 415),
        ("str", b"a", "text/plain; charset=no-such", 415),
        ("str", b"a", "text/plain; charset=base64", 415),
        ("Annotated[str, Field(max_length=3)]", b"oaks", "text/csv", 422),
        ("Annotated[bytes, Field(max_length=3)]", b"oaks", "text/csv", 422),
    ],
)
def test_bytes_and_text_that_do_not_fit_are_problems(
    site: Site, annotation: str, content: bytes, content_type: str, status: int
) -> None:
    assert post(site, annotation, content, content_type)[0] == status


@pytest.mark.parametrize("annotation", ["Item", "bytes", "str"])
def test_a_body_over_the_limit_is_413(site: Site, annotation: str) -> None:
    """Invariant 50."""
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    status, problem = post(site, annotation, json.dumps({"name": "a" * 100, "price": 1}))

    assert (status, problem["title"]) == (413, "Content Too Large")


@pytest.mark.parametrize(
    ("annotation", "content"),
    [("dict[str, int]", b'{"password": "hunter2"}'), ("Pet", b'{"kind": "hunter2 found using x"}')],
)
def test_a_fault_tells_nothing_of_the_value(site: Site, annotation: str, content: bytes) -> None:
    site.serve({"echo/route.py": TYPES.format(annotation=annotation)})

    response = site.client.generic("POST", "/echo", content, "application/json")

    assert response.status_code == 422
    assert b"hunter2" not in response.content


def test_at_most_a_hundred_faults_are_told(site: Site) -> None:
    status, problem = post(site, "list[int]", json.dumps(["x"] * 150))

    assert (status, len(problem["errors"])) == (422, 100)
    assert problem["detail"] == "The first 100 faults of more are listed."


@pytest.mark.parametrize(
    ("annotation", "content", "pointers"),
    [
        ("list[Item]", b"[" + b"{}," * 30_000 + b"1]", ["#/0/name", "#/0/price"]),
        ("Order", b'{"items":[' + b"{}," * 30_000 + b"1]}", ["#/items/0/name", "#/items/0/price"]),
        ("list[list[int]]", b'[[1,"a","b"],["c"],' + b"[]," * 30_000 + b"[]]", ["#/0/1"]),
    ],
)
def test_of_much_content_each_list_is_told_as_far_as_its_first_faulty_item(
    site: Site, annotation: str, content: bytes, pointers: list[str]
) -> None:
    """Invariant 50: a few bytes could make millions of faults, which fill gigabytes."""
    status, problem = post(site, annotation, content)

    assert (status, [entry["pointer"] for entry in problem["errors"]]) == (422, pointers)


def test_much_content_that_fits_is_taken(site: Site) -> None:
    content = b"[" + b'{"name": "a", "price": 1},' * 30_000 + b'{"name": "a", "price": 1}]'

    site.serve({"echo/route.py": TYPES.format(annotation="list[Item]").replace("repr(body)", "len(body)")})
    response = site.client.generic("POST", "/echo", content, "application/json")

    assert response.json() == {"value": 30_001}


def test_more_objects_by_name_than_can_be_judged_are_413(site: Site) -> None:
    content = b"{" + b",".join(b'"%d":{}' % number for number in range(130_000)) + b"}"

    assert post(site, "dict[str, Item]", content)[0] == 413


RECURSIVE = """
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Not(BaseModel):
    kind: Literal["not"] = "not"
    inner: "Expression"


class And(BaseModel):
    kind: Literal["and"] = "and"
    left: "Expression"
    right: "Expression"


Expression = {union}
Not.model_rebuild()
And.model_rebuild()


async def POST(body: Expression):
    return 1
"""


@pytest.mark.parametrize("union", ["Not | And | int", "list[Not | And] | int"])
def test_a_union_that_holds_itself_twice_is_a_mistake(site: Site, union: str) -> None:
    """A body of 163 bytes would take 40 seconds and 3 gigabytes."""
    site.serve({"x/route.py": RECURSIVE.format(union=union)})

    assert [id for id, _ in site.mistakes()] == ["E055"]


@pytest.mark.parametrize(
    "union",
    ["Annotated[Not | And, Field(discriminator='kind')]", "Not | int", "Not | list[And] | int"],
)
def test_a_union_whose_members_are_told_apart_may_hold_itself(site: Site, union: str) -> None:
    site.serve({"x/route.py": RECURSIVE.format(union=union)})

    assert site.mistakes() == []


def test_a_fault_in_json_within_json_is_no_fault_of_the_body(site: Site) -> None:
    site.serve(
        {
            "x/route.py": """
                from pydantic import BaseModel, Json


                class Wrapped(BaseModel):
                    inner: Json[int]


                async def POST(body: Wrapped):
                    return body.inner
                """
        }
    )

    assert site.client.post("/x", {"inner": "7"}, "application/json").json() == 7
    errors = site.client.post("/x", {"inner": "{"}, "application/json").json()["errors"]
    assert [(entry["pointer"], entry["type"]) for entry in errors] == [("#/inner", "json_invalid")]


def test_an_error_of_a_validator_is_told_without_its_kind_before_it(site: Site) -> None:
    site.serve(
        {
            "names/route.py": """
                from typing import Annotated

                from pydantic import AfterValidator


                def _capital(name: str) -> str:
                    if not name.istitle():
                        raise ValueError("a name begins with a capital")
                    return name


                async def POST(body: list[Annotated[str, AfterValidator(_capital)]]):
                    return body
                """
        }
    )

    response = site.client.post("/names", ["oak"], "application/json")

    assert response.json()["errors"] == [
        {"pointer": "#/0", "detail": "a name begins with a capital", "type": "value_error"}
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_with_content_takes_a_body(site: Site, method: str) -> None:
    site.serve({"echo/route.py": f"async def {method}(body: list[int]): return body"})

    assert site.client.generic(method, "/echo", b"[1]", "application/json").json() == [1]


def test_a_sync_handler_takes_the_same_inputs(site: Site) -> None:
    site.serve({"echo/route.py": "def POST(body: list[int], page: int = 1): return [*body, page]"})

    assert site.client.post("/echo?page=3", [1], "application/json").json() == [1, 3]


def test_bodies_are_read_under_asgi(site: Site) -> None:
    site.serve({"echo/route.py": "async def POST(body: list[int], page: int = 1): return [*body, page]"})

    response = async_to_sync(site.async_client.post)("/echo?page=3", [1], "application/json")

    assert response.json() == [1, 3]


def test_content_that_no_parameter_reads_does_not_matter(site: Site) -> None:
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    site.serve({"echo/route.py": "async def GET(): return 1\nasync def POST(): return 2"})

    answers = [site.client.generic(method, "/echo", b"x" * 100, "text/plain").json() for method in ("GET", "POST")]

    assert answers == [1, 2]


def test_a_segment_is_judged_before_the_origin_and_the_origin_before_the_body(site: Site) -> None:
    site.serve({"items/[id]/route.py": "async def POST(id: int, body: int): return body"})
    foreign = {"Sec-Fetch-Site": "cross-site"}

    def ask(path: str, content_type: str, headers: dict[str, str]) -> int:
        return site.client.generic("POST", path, b"x", content_type, headers=headers).status_code

    assert ask("/items/a", "text/plain", foreign) == 404
    assert ask("/items/1", "text/plain", foreign) == 403
    assert ask("/items/1", "text/plain", {}) == 415
    assert ask("/items/1", "application/json", {}) == 400
