"""What a handler returns becomes a response."""

import dataclasses
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from pydantic import BaseModel

from django_routehandlers.responses.conversion import to_response
from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.ndjson import NDJSONResponse

HANDLER = "/api/products/[id] GET (shop/routes/api/products/[id]/route.py)"
RULE = (
    f"{HANDLER}: returned {{}}. A handler returns a response, a dict, a list, a str, a number, a pydantic model, "
    "a dataclass or None, or yields. {}"
)


class Product(BaseModel):
    id: int


@dataclasses.dataclass
class Line:
    name: str


def rows() -> Iterator[int]:
    yield 1


async def async_rows() -> AsyncIterator[int]:
    yield 1


async def count() -> int:
    return 1


def refusal(value: object) -> str:
    with pytest.raises(TypeError) as caught:
        to_response(value, handler=HANDLER)
    return str(caught.value)


@pytest.mark.parametrize(
    "response",
    [HttpResponse("a", status=418), StreamingHttpResponse([]), FileResponse([]), JSONResponse(1)],
    ids=lambda response: type(response).__name__,
)
def test_a_response_is_passed_on_as_it_is(response: HttpResponseBase) -> None:
    assert to_response(response, handler=HANDLER) is response


def test_none_is_204_without_content_type() -> None:
    response = to_response(None, handler=HANDLER)
    assert isinstance(response, HttpResponse)
    assert (response.status_code, dict(response.items()), response.content) == (204, {}, b"")


@pytest.mark.parametrize(
    ("value", "content"),
    [
        pytest.param({}, b"{}", id="dict"),
        pytest.param([], b"[]", id="list"),
        pytest.param("", b'""', id="str"),
        pytest.param(False, b"false", id="bool"),
        pytest.param(0, b"0", id="int"),
        pytest.param(1.5, b"1.5", id="float"),
        pytest.param(Decimal("1.50"), b'"1.50"', id="decimal"),
        pytest.param(Product(id=1), b'{"id":1}', id="model"),
        pytest.param([Product(id=1)], b'[{"id":1}]', id="list-of-models"),
        pytest.param(Line("a"), b'{"name":"a"}', id="dataclass"),
    ],
)
def test_data_is_json_with_status_200(value: object, content: bytes) -> None:
    response = to_response(value, handler=HANDLER)
    assert isinstance(response, JSONResponse)
    assert (response.status_code, response["Content-Type"], response.content) == (200, "application/json", content)


@pytest.mark.parametrize("produce", [rows, async_rows])
def test_a_generator_is_a_stream(produce: Callable[[], object]) -> None:
    response = to_response(produce(), handler=HANDLER)
    assert isinstance(response, NDJSONResponse)
    assert list(response) == [b"1\n"]


def test_a_stream_that_breaks_off_is_logged_under_the_handlers_name(caplog: pytest.LogCaptureFixture) -> None:
    response = to_response((1 / number for number in [0]), handler=HANDLER)
    assert isinstance(response, NDJSONResponse)
    with pytest.raises(ZeroDivisionError):
        list(response)
    assert [entry.getMessage() for entry in caplog.records if entry.name == "django.request"] == [
        f"{HANDLER}: the stream broke off."
    ]


@pytest.mark.parametrize(
    ("value", "name", "remedy"),
    [
        pytest.param(
            ({}, 201),
            "a tuple",
            "For a status of its own use JSONResponse(data, status=...), for an array a list.",
            id="tuple",
        ),
        pytest.param(b"x", "a bytes", "Use HttpResponse(content, content_type=...).", id="bytes"),
        pytest.param({1}, "a set", "A set has no order. Use a list, such as sorted(values).", id="set"),
        pytest.param(
            ContentType.objects.all(),
            "a QuerySet",
            "Use a list of dicts, such as [row async for row in queryset.values()], "
            "or list(queryset.values()) in a def handler.",
            id="queryset",
        ),
        pytest.param(
            ContentType(),
            "a ContentType",
            "ContentType is a Django model, which does not say what of it may be shown. "
            "Use a pydantic model, or a dict of the fields to show.",
            id="model-instance",
        ),
        pytest.param(Product, "a ModelMetaclass", "Product is a class. Use an instance of it.", id="class"),
        pytest.param(
            object(),
            "an object",
            "object has no JSON form. Use a dict, a list, a str or a number in its place.",
            id="object",
        ),
    ],
)
def test_anything_else_is_an_error_that_names_handler_rule_and_remedy(value: object, name: str, remedy: str) -> None:
    assert refusal(value) == RULE.format(name, remedy)


@pytest.mark.filterwarnings("error")
def test_a_coroutine_that_was_not_awaited_is_an_error_and_no_warning() -> None:
    assert refusal(count()) == RULE.format("a coroutine", "Await it.")
    gc.collect()


def test_data_without_json_form_is_an_error_that_names_the_handler() -> None:
    assert refusal({"tags": {1}}) == (
        f"{HANDLER}: the returned value has no JSON form. "
        "At #/tags: A set has no order. Use a list, such as sorted(values)."
    )
