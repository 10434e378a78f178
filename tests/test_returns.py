"""The return annotation of a handler decides how its results are encoded, judged and described."""

import asyncio
import dataclasses
import functools
import json
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, Never, NotRequired, Optional, TypeVar, cast
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core import mail
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    RootModel,
    TypeAdapter,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from pytest_django import Settings
from typing_extensions import TypeAliasType, TypedDict

from conftest import Site
from django_routehandlers.handlers.returns import Returns, plan_returns
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.event_stream import EventStreamResponse
from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.jsonable import JSONEncodeError
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.server_sent_event import ServerSentEvent
from django_routehandlers.responses.typed import Misfit
from shop.models import Customer, Order, OrderLine, Product

HANDLER = "/products GET (shop/routes/products/route.py)"


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str = Field(max_length=10)
    price: Decimal = Field(ge=0, serialization_alias="unitPrice")


class Brief(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int


class Secret(ProductOut):
    password: str = "hush"


class Strange(BaseModel):
    error: str


class Created(JSONResponse[ProductOut, Literal[201]]):
    pass


_T = TypeVar("_T")


class Wrapped(JSONResponse[list[_T], Literal[202]], Generic[_T]):
    pass


@dataclasses.dataclass
class Line:
    name: str
    count: Annotated[int, Field(ge=0)] = 0
    _cost: int = 7


class Row(TypedDict):
    id: int
    name: Annotated[str, Field(max_length=3)]
    note: NotRequired[str]


class Size(StrEnum):
    LARGE = "large"


Rows = TypeAliasType("Rows", list[ProductOut])
Found = TypeAliasType("Found", ProductOut | JSONResponse[Strange, Literal[404]] | None)


def returns(annotation: Any) -> Returns:
    """Return the plan of a handler that is annotated to return *annotation*."""

    def handler() -> None: ...

    handler.__annotations__["return"] = annotation
    plan, faults = plan_returns(handler, __file__)
    assert faults == ()
    return plan


def faults(annotation: Any) -> list[tuple[str, int, str, str]]:
    def handler() -> None: ...

    handler.__annotations__["return"] = annotation
    line = handler.__code__.co_firstlineno
    plan, found = plan_returns(handler, __file__)
    assert plan == Returns()
    return [(fault.id, fault.line - line, fault.what, fault.remedy) for fault in found]


def answers(annotation: Any) -> list[tuple[int | None, Any, str | None, bool]]:
    """Return status, JSON schema's title, type or content, media type and streaming of each answer."""
    return [
        (one.status, one.adapter and short(one.adapter), ", ".join(one.media_types) or None, one.is_stream)
        for one in returns(annotation).answers
    ]


def short(adapter: TypeAdapter[Any]) -> str:
    """Return the type of an adapter as the source writes it."""
    return repr(adapter).removeprefix("TypeAdapter(").removesuffix(")").replace(f"{__name__}.", "")


def content(annotation: Any, value: object) -> bytes:
    response = returns(annotation).to_response(value, handler=HANDLER)
    assert isinstance(response, JSONResponse)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    return response.content


def misfit(annotation: Any, value: object) -> str:
    start = f"{HANDLER}: the response does not fit the return annotation. "
    with pytest.raises(Misfit) as caught:
        returns(annotation).to_response(value, handler=HANDLER)
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


@pytest.fixture
def production(settings: Settings) -> None:
    """Responses are not checked."""
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": False}


JSON, LINES = "application/json", "application/x-ndjson, application/jsonl"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(ProductOut, [(200, "ProductOut", JSON, False)], id="model"),
        pytest.param(None, [(204, None, None, False)], id="none"),
        pytest.param(
            Optional[ProductOut],  # noqa: UP045
            [(200, "ProductOut", JSON, False), (204, None, None, False)],
            id="model-or-none",
        ),
        pytest.param(ProductOut | Strange, [(200, "Union[ProductOut, Strange]", JSON, False)], id="union"),
        pytest.param(Annotated[int, "a note"], [(200, "Annotated[int, str]", JSON, False)], id="annotated"),
        pytest.param(HttpResponse, [], id="response"),
        pytest.param(HttpResponseRedirect | None, [(204, None, None, False)], id="redirect-or-none"),
        pytest.param(FileResponse | dict, [(200, "dict", JSON, False)], id="file-or-dict"),
        pytest.param(Any, [], id="any"),
        pytest.param(object, [], id="object"),
        pytest.param(Never, [], id="never"),
        pytest.param(JSONResponse, [(None, None, JSON, False)], id="bare"),
        pytest.param(JSONResponse[ProductOut], [(None, "ProductOut", JSON, False)], id="any-status"),
        pytest.param(JSONResponse[Any, Literal[202]], [(202, None, JSON, False)], id="any-body"),
        pytest.param(
            JSONResponse[ProductOut, Literal[200, HTTPStatus.CREATED]],
            [(200, "ProductOut", JSON, False), (201, "ProductOut", JSON, False)],
            id="two-statuses",
        ),
        pytest.param(
            JSONResponse[ProductOut, Literal[201]] | JSONResponse[Strange, Literal[404]] | HttpResponse,
            [(201, "ProductOut", JSON, False), (404, "Strange", JSON, False)],
            id="union-of-responses",
        ),
        pytest.param(
            JSONResponse[ProductOut, Literal[404]] | JSONResponse[Strange, Literal[404]],
            [(404, "Union[ProductOut, Strange]", JSON, False)],
            id="one-status-twice",
        ),
        pytest.param(Created, [(201, "ProductOut", JSON, False)], id="subclass"),
        pytest.param(Wrapped[ProductOut], [(202, "list[ProductOut]", JSON, False)], id="generic-subclass"),
        pytest.param(NDJSONResponse, [(200, None, LINES, True)], id="ndjson"),
        *(
            pytest.param(kind, [(200, "ProductOut", LINES, True)], id=str(kind).partition(".")[2].partition("[")[0])
            for kind in (
                AsyncIterator[ProductOut],
                AsyncIterable[ProductOut],
                AsyncGenerator[ProductOut, None],
                Iterator[ProductOut],
                Iterable[ProductOut],
                Generator[ProductOut, None, None],
            )
        ),
        pytest.param(Awaitable[ProductOut], [(200, "ProductOut", JSON, False)], id="awaitable"),
        pytest.param(Coroutine[Any, Any, None], [(204, None, None, False)], id="coroutine"),
        pytest.param(Rows, [(200, "Rows", JSON, False)], id="alias"),
        pytest.param(
            Found,
            [(200, "ProductOut", JSON, False), (404, "Strange", JSON, False), (204, None, None, False)],
            id="alias-of-responses",
        ),
        pytest.param(list["ProductOut"], [(200, "list[ProductOut]", JSON, False)], id="name-within"),
        pytest.param("list[ProductOut]", [(200, "list[ProductOut]", JSON, False)], id="text"),
    ],
)
def test_answers_follow_from_the_annotation(annotation: Any, expected: list[Any]) -> None:
    assert answers(annotation) == expected


def test_without_annotation_nothing_is_declared() -> None:
    def handler():  # type: ignore[no-untyped-def]
        ...

    assert plan_returns(handler, __file__) == (Returns(), ())


def test_metadata_stays_on_what_is_left_of_a_union() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]

    class Dog(BaseModel):
        kind: Literal["dog"]

    plan = returns(Annotated[Cat | Dog | None, Field(discriminator="kind")])
    adapter = plan.answers[0].adapter
    assert adapter is not None
    assert ("discriminator" in adapter.json_schema(), [one.status for one in plan.answers]) == (True, [200, 204])


def test_the_annotation_below_decorators_counts() -> None:
    def decorate(function: Callable[[], object]) -> Callable[[], HttpResponseBase]:
        @functools.wraps(function)
        def call() -> HttpResponseBase:
            raise NotImplementedError

        return call

    @decorate
    def handler() -> ProductOut:
        raise NotImplementedError

    assert [one.status for one in plan_returns(handler, __file__)[0].answers] == [200]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with Python 3.12")
def test_type_statements_are_looked_into() -> None:
    namespace: dict[str, Any] = {**globals()}
    exec("type Page[T] = list[T] | None\ndef GET() -> Page[ProductOut]: ...", namespace)
    plan, found = plan_returns(namespace["GET"], __file__)
    assert ([one.status for one in plan.answers], found) == ([200, 204], ())


DATABASE_REMEDY = 'with model_config = {"from_attributes": True}'


@pytest.mark.parametrize(
    ("annotation", "what", "remedy"),
    [
        pytest.param(
            Product,
            "the return annotation names Product, a Django model, which does not say what may be shown.",
            f"Write a pydantic model of the fields to show, {DATABASE_REMEDY}, and annotate that.",
            id="model",
        ),
        pytest.param(
            JSONResponse[dict[str, list[Product]], Literal[200]],
            "the return annotation names Product, a Django model, which does not say what may be shown.",
            f"Write a pydantic model of the fields to show, {DATABASE_REMEDY}, and annotate that.",
            id="within",
        ),
        pytest.param(
            QuerySet[Product],
            "the return annotation names a QuerySet, which is a question to the database.",
            f"Annotate a list of a pydantic model of the fields to show, {DATABASE_REMEDY}.",
            id="queryset",
        ),
        pytest.param(
            asyncio.Lock,
            "pydantic knows no JSON form of the return annotation: Lock is a class that declares no fields.",
            "Return a pydantic model, a dataclass, a TypedDict, a list or dict of them, or an HttpResponse.",
            id="object",
        ),
        pytest.param(
            Callable[[], int],
            "pydantic knows no JSON form of the return annotation: Cannot generate a JsonSchema for "
            "core_schema.CallableSchema.",
            "Return a pydantic model, a dataclass, a TypedDict, a list or dict of them, or an HttpResponse.",
            id="without-schema",
        ),
    ],
)
def test_an_annotation_without_json_form_is_a_fault(annotation: Any, what: str, remedy: str) -> None:
    assert faults(annotation) == [("E051", 0, what, remedy)]


@pytest.mark.parametrize(
    ("annotation", "async_remedy"),
    [
        (ServerSentEvent[int], "AsyncIterator[ServerSentEvent[int]]"),
        (ProductOut | str, "AsyncIterator[ProductOut | str]"),
        (list[ProductOut], "AsyncIterator[ProductOut]"),
        (EventStreamResponse[int], "AsyncIterator[...], with the type of what is yielded"),
        (None, "AsyncIterator[...], with the type of what is yielded"),
        (int | HttpResponse, "AsyncIterator[...], with the type of what is yielded"),
    ],
)
def test_a_generator_that_is_annotated_as_no_iterator_is_a_fault(annotation: Any, async_remedy: str) -> None:
    def yields() -> Any:
        yield 1

    async def ayields() -> Any:
        yield 1

    what = "the handler yields, so it returns an iterator, which the return annotation does not name."
    for handler, remedy in ((ayields, async_remedy), (yields, async_remedy.removeprefix("Async"))):
        handler.__annotations__["return"] = annotation
        text, _, rest = remedy.partition(", ")
        hint = f"Write `{text}`{rest and ', '}{rest}."
        assert [(one.id, one.what, one.remedy) for one in plan_returns(handler, "")[1]] == [("E051", what, hint)]


@pytest.mark.parametrize(
    "annotation", [Any, object, Iterator[int] | HttpResponse, AsyncIterable[int], AsyncGenerator[int, None] | None]
)
def test_a_generator_that_is_annotated_as_an_iterator_is_right(annotation: Any) -> None:
    async def handler() -> Any:
        yield 1

    handler.__annotations__["return"] = annotation
    assert plan_returns(handler, "")[1] == ()


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        pytest.param("Missing", "'Missing' is not known when the routes are read", id="text"),
        pytest.param(list["Missing"], "name 'Missing' is not defined", id="within"),  # type: ignore[name-defined] # noqa: F821
        pytest.param(TypeAliasType("Lost", "Missing"), "name 'Missing' is not defined", id="alias"),  # type: ignore[misc] # noqa: F821
    ],
)
def test_an_annotation_that_cannot_be_evaluated_is_a_warning(annotation: Any, why: str) -> None:
    what = f"the return annotation cannot be evaluated: {why}. Responses are neither checked nor documented."
    remedy = "Import the name at the top of the file, outside `if TYPE_CHECKING`."
    assert faults(annotation) == [("W052", 0, what, remedy)]


KETTLE = ProductOut(id=1, name="Kettle", price=Decimal("9.90"))
KETTLE_JSON = b'{"id":1,"name":"Kettle","unitPrice":"9.90"}'
MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("mode", ["tests", "production"])
@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(ProductOut, KETTLE, KETTLE_JSON, id="model"),
        pytest.param(list[ProductOut], [KETTLE, KETTLE], b"[%b,%b]" % (KETTLE_JSON, KETTLE_JSON), id="models"),
        pytest.param(list[ProductOut], (KETTLE,), b"[%b]" % KETTLE_JSON, id="tuple-for-list"),
        pytest.param(
            ProductOut, Product(id=1, name="Kettle", price=Decimal("9.90")), KETTLE_JSON, id="from-attributes"
        ),
        pytest.param(ProductOut, {"id": 1, "name": "Kettle", "price": "9.90"}, KETTLE_JSON, id="dict"),
        pytest.param(ProductOut, Secret(id=1, name="Kettle", price=Decimal("9.90")), KETTLE_JSON, id="subclass"),
        pytest.param(
            ProductOut,
            {"id": 1, "name": "Kettle", "price": 9, "password": "x"},
            KETTLE_JSON.replace(b"9.90", b"9"),
            id="extra",
        ),
        pytest.param(ProductOut | Strange, Strange(error="no"), b'{"error":"no"}', id="union"),
        pytest.param(dict[str, ProductOut], {"a": KETTLE}, b'{"a":%b}' % KETTLE_JSON, id="dict-of-models"),
        pytest.param(tuple[int, ProductOut], (1, KETTLE), b"[1,%b]" % KETTLE_JSON, id="tuple"),
        pytest.param(RootModel[list[int]], RootModel[list[int]]([1]), b"[1]", id="root-model"),
        pytest.param(Line, Line("a", 1), b'{"name":"a","count":1}', id="dataclass"),
        pytest.param(list[Line], [{"name": "a"}], b'[{"name":"a","count":0}]', id="dataclass-of-dict"),
        pytest.param(Row, {"id": 1, "name": "a"}, b'{"id":1,"name":"a"}', id="typed-dict"),
        pytest.param(dict, {"a": 2**70, "b": float("nan")}, b'{"a":1180591620717411303424,"b":null}', id="plain"),
        pytest.param(dict[str, str], {"a": lazystr("b")}, b'{"a":"b"}', id="lazy"),
        pytest.param(Line, Line(cast("str", lazystr("a"))), b'{"name":"a","count":0}', id="lazy-in-dataclass"),
        pytest.param(Line, Line("\ud800"), b'{"name":"\\ud800","count":0}', id="lone-surrogate"),
        pytest.param(list[float], [float("inf")], b"[null]", id="infinity"),
        pytest.param(date, date(2026, 11, 22), b'"2026-11-22"', id="date"),
        pytest.param(list[datetime], [MOMENT], b'["2026-11-22T12:00:00Z"]', id="utc"),
        pytest.param(set[int], {1}, b"[1]", id="set"),
        pytest.param(Size, Size.LARGE, b'"large"', id="enum"),
        pytest.param(bool, False, b"false", id="bool"),
    ],
)
def test_values_are_written_as_the_annotation_says(
    mode: str, annotation: Any, value: object, expected: bytes, settings: Settings
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": mode == "tests"}
    assert content(annotation, value) == expected


def test_none_is_204_where_the_annotation_says_so() -> None:
    response = returns(ProductOut | None).to_response(None, handler=HANDLER)
    assert (response.status_code, dict(response.items())) == (204, {})


CUT = ProductOut(id=1, name="Kettle", price=Decimal(1)).model_copy(update={"price": Decimal(-1)})


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        pytest.param(int, "1", "At #: Input should be a valid integer.", id="scalar"),
        pytest.param(list[dict[str, int]], [{"a/b": "1"}], "At #/0/a~1b: Input should be a valid integer.", id="dict"),
        pytest.param(list[float], [1, Decimal(1)], "At #/1: Input should be a valid number.", id="decimal-for-float"),
        pytest.param(list[str], [Decimal(1)], "At #/0: Input should be a valid string.", id="decimal-for-str"),
        pytest.param(Row, {"id": 1}, "At #/name: Field required.", id="missing"),
        pytest.param(Row, {"id": 1, "name": "a", "pin": 1}, "At #/pin: Extra inputs are not permitted.", id="extra"),
        pytest.param(
            list[Row], [{"id": 1, "name": "long"}], "At #/0/name: String should have at most 3 characters.", id="length"
        ),
        pytest.param(
            list[ProductOut], [KETTLE, CUT], "At #/1/price: Input should be greater than or equal to 0.", id="changed"
        ),
        pytest.param(
            ProductOut,
            ProductOut.model_construct(id=1),
            "At #/name: Field required. At #/price: Field required.",
            id="unset",
        ),
        pytest.param(
            ProductOut,
            {"id": 1, "name": "Kettle", "price": -1},
            "At #/price: Input should be greater than or equal to 0.",
            id="converted",
        ),
        pytest.param(Line, Line("a", -1), "At #/count: Input should be greater than or equal to 0.", id="dataclass"),
        pytest.param(
            ProductOut,
            Strange(error="x"),
            "At #/id: Field required. At #/name: Field required. At #/price: Field required.",
            id="another-model",
        ),
        pytest.param(
            ProductOut,
            None,
            "The handler returned None, which the annotation does not name. Return a value, or add None to it.",
            id="none",
        ),
        pytest.param(
            JSONResponse[dict[str, int]],
            {"a": 1},
            "The handler returned a dict, which the annotation does not name. Add it there.",
            id="data",
        ),
        pytest.param(
            list[int],
            (one for one in [1]),
            "The handler yields, which the annotation does not name. Add Iterator[...] there.",
            id="generator",
        ),
        pytest.param(
            list[int],
            ["a"] * 7,
            " ".join(f"At #/{index}: Input should be a valid integer." for index in range(5)) + " And 2 more.",
            id="many",
        ),
        pytest.param(
            JSONResponse[ProductOut, Literal[201]],
            JSONResponse(KETTLE, status=200),
            "The handler answered 200, a status that the annotation does not name. "
            "Add JSONResponse[..., Literal[200]] to it.",
            id="status",
        ),
        pytest.param(
            JSONResponse[Row, Literal[201]],
            JSONResponse({"id": "1", "name": "a"}, status=201),
            "At #/id: Input should be a valid integer.",
            id="body",
        ),
    ],
)
def test_a_misfit_names_handler_field_and_rule(annotation: Any, value: object, message: str) -> None:
    assert misfit(annotation, value) == message


@pytest.mark.parametrize(
    ("annotation", "response"),
    [
        (JSONResponse[ProductOut, Literal[201]], JSONResponse(KETTLE, status=201)),
        (JSONResponse[ProductOut] | JSONResponse[Strange, Literal[404]], JSONResponse({"error": "x"}, status=404)),
        (JSONResponse[ProductOut, Literal[201]] | HttpResponse, JSONResponse(1, status=500)),
        (JSONResponse, JSONResponse(1, status=299)),
        (ProductOut, HttpResponse("as it is", status=418)),
        (ProductOut, JSONResponse(KETTLE)),
    ],
    ids=["named", "one-of-two", "open", "bare", "another-class", "value"],
)
def test_a_response_that_fits_is_passed_on(annotation: Any, response: HttpResponse) -> None:
    assert returns(annotation).to_response(response, handler=HANDLER) is response


def test_a_response_from_a_cache_is_passed_on() -> None:
    response = JSONResponse("not a product", status=201)
    del response.data
    assert returns(JSONResponse[ProductOut, Literal[201]]).to_response(response, handler=HANDLER) is response


@pytest.mark.usefixtures("production")
def test_in_production_a_wrong_status_is_sent() -> None:
    response = JSONResponse(KETTLE)
    assert returns(JSONResponse[ProductOut, Literal[201]]).to_response(response, handler=HANDLER) is response


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(Row, {"id": "1", "name": "a"}, b'{"id":"1","name":"a"}', id="plain"),
        pytest.param(ProductOut, CUT, KETTLE_JSON.replace(b"9.90", b"-1"), id="constraint"),
        pytest.param(ProductOut, KETTLE.model_copy(update={"price": 9}), KETTLE_JSON.replace(b"9.90", b"9"), id="type"),
        pytest.param(Line, Line("a", -1), b'{"name":"a","count":-1}', id="dataclass"),
    ],
)
def test_in_production_a_misfit_is_encoded_as_well_as_can_be(annotation: Any, value: object, expected: bytes) -> None:
    assert content(annotation, value) == expected


@pytest.mark.usefixtures("production")
def test_in_production_what_cannot_be_encoded_is_an_error() -> None:
    class Order(BaseModel):
        product: ProductOut

    leaking = Order(product=KETTLE).model_copy(update={"product": {"password": "x"}})
    assert misfit(Order, leaking) == (
        "At #/product/id: Field required. At #/product/name: Field required. At #/product/price: Field required."
    )


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_response_is_encoded_as_its_annotation_says(settings: Settings, is_checked: bool) -> None:
    """Else a field of a subclass, or of a dict, would leak beside a status."""
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    product = Product(id=1, name="Kettle", price=Decimal("9.90"))

    class Shown(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        id: int
        name: str = Field(alias="title", validation_alias="name")

    def sent(data: object, annotation: Any = JSONResponse[Shown, Literal[201]]) -> bytes:
        response = returns(annotation).to_response(JSONResponse(data, status=201), handler=HANDLER)
        return cast("HttpResponse", response).content

    shown = b'{"id":1,"title":"Kettle"}'
    assert sent(product) == shown
    assert sent({"id": 1, "name": "Kettle", "password": "x"}) == shown
    assert sent([product], JSONResponse[list[Shown], Literal[201]]) == b"[" + shown + b"]"
    secret = Secret(id=1, name="a", price=Decimal(1))
    assert b"password" not in sent(secret, JSONResponse[ProductOut, Literal[201]])


def test_a_response_that_was_encoded_before_is_held_against_its_annotation() -> None:
    response = JSONResponse(Secret(id=1, name="a", price=Decimal(1)), status=201)
    assert b"password" in response.content
    message = "At #/password: the body has not what the annotation says. Build it of the annotated types."
    assert misfit(JSONResponse[ProductOut, Literal[201]], response) == message


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (
            Product(id=1),
            "shop.models.Product: give the annotated model model_config = ConfigDict(from_attributes=True)",
        ),
        ((KETTLE, 201), "tuple: for a status of its own return JSONResponse(data, status=...)"),
        (Http404("gone"), "django.http.response.Http404: raise it"),
        (3, "int"),
    ],
)
def test_what_is_no_such_model_at_all_is_told_by_its_type(value: object, what: str) -> None:
    class Plain(BaseModel):
        id: int

    assert misfit(Plain, value).endswith(f" It is of type {what}.")


@pytest.mark.parametrize("annotation", [ProductOut | Strange, Brief | ProductOut], ids=["one", "several"])
def test_members_of_a_union_are_no_places(annotation: Any) -> None:
    assert {part.split(":")[0] for part in misfit(annotation, 3).split("At ")[1:]} == {"#"}


@pytest.mark.django_db(transaction=True)
def test_the_place_within_a_related_row_is_told_in_full(order: Order) -> None:
    with pytest.raises(Misfit, match="At #/lines/0/product: it is not loaded yet"):
        run_async(OrderOut, Order.objects.prefetch_related("lines").get)


def test_a_coroutine_that_was_not_awaited_is_told(recwarn: pytest.WarningsRecorder) -> None:
    async def find() -> ProductOut:
        return KETTLE

    assert misfit(ProductOut, find()).endswith(" It is of type coroutine: await it.")
    assert recwarn.list == []


def test_validators_do_not_run_again_on_instances() -> None:
    class Tags(BaseModel):
        tags: Annotated[list[str], BeforeValidator(lambda text: text.split(","))]
        count: Annotated[int, AfterValidator(str)]

        @field_validator("tags")
        @classmethod
        def not_twice(cls, tags: list[str]) -> list[str]:
            return [f"{tag}!" for tag in tags]

        @model_validator(mode="after")
        def counted(self) -> "Tags":
            return self

        @computed_field
        def size(self) -> int:
            return len(self.tags)

        @field_serializer("tags")
        def joined(self, tags: list[str]) -> str:
            return "+".join(tags)

    value = Tags.model_validate({"tags": "a,b", "count": 1}).model_copy(update={"count": 1})
    assert content(list[Tags], [value]) == b'[{"tags":"a!+b!","count":1,"size":2}]'


def test_recursive_models_are_judged_at_every_depth() -> None:
    deep = Tree(name="a", below=[Tree(name="b")])
    assert content(Tree, deep) == b'{"name":"a","below":[{"name":"b","below":[]}]}'
    deep.below[0].name = "much too long"
    assert misfit(Tree, deep) == "At #/below/0/name: String should have at most 5 characters."


class Tree(BaseModel):
    name: str = Field(max_length=5)
    below: "list[Tree]" = []


class LineOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    quantity: int
    product: ProductOut


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    lines: list[LineOut]


@pytest.fixture
def order(db: None) -> Order:
    customer = Customer.objects.create(name="Ada", email="ada@example.com")
    product = Product.objects.create(id=1, name="Kettle", slug="kettle", price=Decimal("9.90"))
    order = Order.objects.create(id=5, customer=customer)
    OrderLine.objects.create(order=order, product=product, quantity=2, price=Decimal(9))
    return order


ORDER_JSON = b'{"id":5,"lines":[{"quantity":2,"product":%b}]}' % KETTLE_JSON


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("rows", [Product.objects, Product.objects.all()], ids=["manager", "queryset"])
def test_a_queryset_is_evaluated_outside_async_code(rows: Any) -> None:
    assert content(list[ProductOut], rows) == b"[%b]" % KETTLE_JSON
    assert content(list[dict[str, Any]], rows.values("id")) == b'[{"id":1}]'


def test_related_managers_are_lists(order: Order) -> None:
    assert content(OrderOut, order) == ORDER_JSON


def run_async(annotation: Any, produce: Callable[[], object]) -> bytes:
    """Return the content for what *produce* returns, encoded on an event loop."""
    plan = returns(annotation)

    async def answer() -> HttpResponseBase:
        value = await sync_to_async(produce)()
        return plan.to_response(value, handler=HANDLER)

    # Not asyncio.run(): the database would be asked in a thread whose connection nobody closes.
    response = async_to_sync(answer)()
    assert isinstance(response, JSONResponse)
    return response.content


@pytest.mark.django_db(transaction=True)
def test_what_was_fetched_is_encoded_in_async_code(order: Order) -> None:
    fetch = Order.objects.prefetch_related("lines__product").get
    assert run_async(OrderOut, fetch) == ORDER_JSON


LAZY = (
    "it is not loaded yet, and async code must not ask the database. Load it in the query, with "
    "select_related() or prefetch_related() and without defer(), or make the handler a def."
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("annotation", "fetch", "place"),
    [
        pytest.param(ProductOut, lambda: Product.objects.defer("price").get(), "#/price", id="deferred"),
        pytest.param(list[LineOut], lambda: list(OrderLine.objects.all()), "#/0/product", id="relation"),
        pytest.param(OrderOut, lambda: Order.objects.get(), "#/lines", id="manager"),
    ],
)
def test_lazy_access_in_async_code_is_an_error_that_names_the_field(
    order: Order, annotation: Any, fetch: Callable[[], object], place: str
) -> None:
    with pytest.raises(Misfit) as caught:
        run_async(annotation, fetch)
    start = f"{HANDLER}: the response does not fit the return annotation. "
    assert str(caught.value) == f"{start}At {place}: {LAZY}"


@pytest.mark.parametrize("annotation", [list[ProductOut], list[dict[str, Any]]], ids=["models", "dicts"])
def test_a_queryset_in_async_code_is_an_error(annotation: Any) -> None:
    with pytest.raises(JSONEncodeError) as caught:
        run_async(annotation, Product.objects.all)
    assert str(caught.value) == (
        f"{HANDLER}: the returned value has no JSON form. "
        "A QuerySet asks the database when it is read, which async code must not do. "
        "Use [row async for row in queryset], or make the handler a def."
    )


def rows() -> Iterator[Any]:
    yield {"id": 1, "name": "Kettle", "price": "9.90", "password": "x"}
    yield KETTLE


async def async_rows() -> AsyncIterator[Any]:
    for row in rows():
        yield row


@pytest.mark.parametrize("produce", [rows, async_rows])
def test_items_of_a_stream_are_written_as_the_annotation_says(produce: Callable[[], Any]) -> None:
    response = returns(Iterator[ProductOut] | AsyncIterator[ProductOut]).to_response(produce(), handler=HANDLER)
    assert isinstance(response, NDJSONResponse)
    assert response.getvalue() == (KETTLE_JSON + b"\n") * 2


def test_an_item_that_does_not_fit_breaks_the_stream_off() -> None:
    response = returns(Iterator[int]).to_response((one for one in [1, "2"]), handler=HANDLER)
    assert isinstance(response, NDJSONResponse)
    lines = iter(response)
    assert (next(lines), json.loads(next(lines))["error"]["status"]) == (b"1\n", 500)
    with pytest.raises(Misfit) as caught:
        next(lines)
    assert str(caught.value) == (
        f"{HANDLER}: a record does not fit the return annotation. At #: Input should be a valid integer."
    )


CHECKED = pytest.mark.parametrize("is_checked", [True, False], ids=["checked", "production"])


@CHECKED
@pytest.mark.parametrize(
    ("annotation", "shape", "place"),
    [
        pytest.param(Brief | ProductOut, lambda row: row, "#", id="union"),
        pytest.param(ProductOut | Brief | None, lambda row: row, "#", id="or-none"),
        pytest.param(list[Brief | ProductOut], lambda row: [row], "#/0", id="in-a-list"),
        pytest.param(list[Brief] | list[ProductOut], lambda row: [row], "#/0", id="of-lists"),
        pytest.param(dict[str, Brief | OrderOut], lambda row: {"a": row}, "#/a", id="in-a-dict-with-many"),
        pytest.param(Brief | list[Brief] | ProductOut, lambda row: row, "#", id="used-twice"),
    ],
)
def test_an_object_that_several_models_of_a_union_could_read_is_a_misfit(
    settings: Settings, is_checked: bool, annotation: Any, shape: Callable[[object], object], place: str
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    row = Product(id=1, name="Kettle", price=Decimal("9.90"))
    expected = f"At {place}: it fits several models of the union: return an instance of one of them."
    assert misfit(annotation, shape(row)) == expected


@CHECKED
@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(Brief | ProductOut, Brief(id=1), b'{"id":1}', id="first"),
        pytest.param(Brief | ProductOut, KETTLE, KETTLE_JSON, id="second"),
        pytest.param(list[Brief | ProductOut], [KETTLE, Brief(id=1)], b'[%b,{"id":1}]' % KETTLE_JSON, id="both"),
        pytest.param(ProductOut | Secret, Secret(id=1, name="a", price=Decimal(1)), b"hush", id="subclass"),
        pytest.param(Brief | ProductOut, {"id": 1}, b'{"id":1}', id="dict"),
        pytest.param(Brief | ProductOut | date, date(2026, 11, 22), b'"2026-11-22"', id="other-member"),
        pytest.param(Brief | Strange, Product(id=1), b'{"id":1}', id="one-that-reads"),
        pytest.param(Brief | list[ProductOut], Product(id=1), b'{"id":1}', id="one-in-this-place"),
    ],
)
def test_a_union_of_models_takes_instances_and_what_one_member_alone_reads(
    settings: Settings, is_checked: bool, annotation: Any, value: object, expected: bytes
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    assert expected in content(annotation, value)


class Counted(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int

    @model_validator(mode="after")
    def count(self) -> "Counted":
        self.id += 1
        return self

    @model_validator(mode="wrap")
    @classmethod
    def count_too(cls, value: Any, handler: Callable[[Any], "Counted"], info: object) -> "Counted":
        made = handler(value)
        made.id += 10
        return made


class CountedMore(Counted):
    pass


@CHECKED
@pytest.mark.parametrize("kind", [Counted, CountedMore])
@pytest.mark.parametrize(
    ("annotation", "shape", "expected"),
    [
        pytest.param(Counted, lambda one: one, b'{"id":12}', id="model"),
        pytest.param(Counted | None, lambda one: one, b'{"id":12}', id="or-none"),
        pytest.param(Counted | CountedMore, lambda one: one, b'{"id":12}', id="union"),
        pytest.param(list[Counted], lambda one: [one], b'[{"id":12}]', id="list"),
        pytest.param(list[Counted] | None, lambda one: [one], b'[{"id":12}]', id="list-or-none"),
        pytest.param(dict[str, Counted], lambda one: {"a": one}, b'{"a":{"id":12}}', id="dict"),
    ],
)
def test_model_validators_do_not_run_again_on_instances(
    settings: Settings,
    is_checked: bool,
    kind: type[Counted],
    annotation: Any,
    shape: Callable[[object], object],
    expected: bytes,
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    one = kind(id=1)
    assert (content(annotation, shape(one)), one.id) == (expected, 12)


@pytest.mark.parametrize("value", [{"id": 1}, Product(id=1)], ids=["dict", "row"])
def test_model_validators_run_on_what_becomes_an_instance(value: object) -> None:
    assert content(Counted, value) == b'{"id":12}'


@CHECKED
def test_json_fields_are_sent_as_what_was_in_the_text(settings: Settings, is_checked: bool) -> None:
    class Stored(BaseModel):
        numbers: Json[list[int]]
        rest: Json[Any]

    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    expected = b'{"numbers":[1],"rest":{"a":2}}'
    text: Any = {"numbers": "[1]", "rest": '{"a": 2}'}
    assert content(Stored, Stored(**text)) == content(Stored, text) == expected


class Countdown:
    """An async iterable that is no generator."""

    def __aiter__(self) -> AsyncIterator[int]:
        return self.numbers()

    async def numbers(self) -> AsyncIterator[int]:
        yield 1
        yield 2


class Steps:
    """An async iterator that is no generator, and cannot be closed."""

    def __init__(self) -> None:
        self.left = [2, 1]

    def __aiter__(self) -> "Steps":
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


@CHECKED
@pytest.mark.parametrize(
    ("annotation", "produce", "expected"),
    [
        pytest.param(Iterator[int], lambda: map(int, "12"), b"1\n2\n", id="map"),
        pytest.param(Iterable[int], lambda: iter([1, 2]), b"1\n2\n", id="iter"),
        pytest.param(Iterator[ProductOut] | None, lambda: iter([KETTLE]), KETTLE_JSON + b"\n", id="models"),
        pytest.param(list[int] | Iterator[int], lambda: iter([1, 2]), b"1\n2\n", id="or-a-list"),
        pytest.param(NDJSONResponse, lambda: iter([1, 2]), b"1\n2\n", id="ndjson"),
        pytest.param(AsyncIterable[int], Countdown, b"1\n2\n", id="async-iterable"),
        pytest.param(AsyncIterator[int], Steps, b"1\n2\n", id="async-iterator"),
    ],
)
def test_an_iterator_is_streamed_where_the_annotation_names_a_stream(
    settings: Settings, is_checked: bool, annotation: Any, produce: Callable[[], object], expected: bytes
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    response = returns(annotation).to_response(produce(), handler=HANDLER)
    assert isinstance(response, NDJSONResponse)
    assert response.getvalue() == expected


def test_an_iterator_is_an_error_where_the_annotation_names_no_stream() -> None:
    with pytest.raises(TypeError, match="returned a map"):
        returns(JSONResponse[int] | HttpResponse).to_response(map(int, "1"), handler=HANDLER)


@CHECKED
@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(ProductOut | Any, {"a": 1}, b'{"a":1}', id="dict"),
        pytest.param(ProductOut | Any, Strange(error="no"), b'{"error":"no"}', id="another-model"),
        pytest.param(ProductOut | Any, 3, b"3", id="number"),
        pytest.param(ProductOut | object, "a", b'"a"', id="object"),
        pytest.param(Row | Any, {"id": "1"}, b'{"id":"1"}', id="native"),
        pytest.param(ProductOut | Any, Secret(id=1, name="Kettle", price=Decimal("9.90")), KETTLE_JSON, id="subclass"),
        pytest.param(
            ProductOut | Any, Product(id=1, name="Kettle", price=Decimal("9.90")), KETTLE_JSON, id="from-attributes"
        ),
    ],
)
def test_any_beside_a_model_lets_other_values_pass(
    settings: Settings, is_checked: bool, annotation: Any, value: object, expected: bytes
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": is_checked}
    assert content(annotation, value) == expected


def test_any_beside_a_model_lets_other_bodies_pass() -> None:
    response = JSONResponse({"a": 1})
    assert returns(ProductOut | Any).to_response(response, handler=HANDLER) is response
    assert response.content == b'{"a":1}'


def test_an_instance_is_still_judged_beside_any() -> None:
    assert misfit(ProductOut | Any, CUT) == "At #/price: Input should be greater than or equal to 0."


@pytest.mark.parametrize(
    ("setting", "debug", "testing", "expected"),
    [
        (None, False, False, b'"1"'),
        (None, True, False, None),
        (None, False, True, None),
        (True, False, False, None),
        (False, True, True, b'"1"'),
    ],
)
def test_responses_are_checked_under_debug_and_in_tests_unless_a_setting_says_otherwise(
    setting: bool | None,
    debug: bool,
    testing: bool,
    expected: bytes | None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": setting}
    settings.DEBUG = debug
    if not testing:
        monkeypatch.delattr(mail, "outbox")
    try:
        found = content(int, "1")
    except Misfit:
        found = None
    assert found == expected


LEAVES: list[Any] = [
    int,
    float,
    str,
    bool,
    Decimal,
    UUID,
    datetime,
    date,
    time,
    timedelta,
    Size,
    int | None,
    list[int],
    dict[str, float],
]


# Each example makes a model, which takes its time on a busy machine.
@hypothesis_settings(deadline=None)
@given(st.data())
def test_models_are_the_same_json_with_and_without_annotation(data: st.DataObject) -> None:
    """What an annotation encodes is what JSONResponse encodes."""
    kinds = data.draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4))
    fields = {f"field_{index}": (kind, Field(alias=f"Field{index}")) for index, kind in enumerate(kinds)}
    model = create_model("Model", __config__=ConfigDict(populate_by_name=True), **fields)  # type: ignore[call-overload]
    values = st.fixed_dictionaries({name: values_of(kind) for name, (kind, _) in fields.items()})
    instances = [model(**each) for each in data.draw(st.lists(values, max_size=3))]
    assert json.loads(content(list[model], instances)) == json.loads(encode_json(instances))


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case _ if kind is str:
            return st.text(st.characters())
        case _ if kind is int:
            return st.integers(-(2**80), 2**80)
        case _ if kind == dict[str, float]:
            return st.dictionaries(st.text(st.characters()), st.floats())
        case _ if kind is timedelta:
            return st.timedeltas(timedelta(days=-1000), timedelta(days=1000))
        case _ if kind is Decimal:
            return st.decimals(allow_nan=False, allow_infinity=False)
        case _ if kind is datetime:
            return st.datetimes(timezones=st.none() | st.just(UTC))
        case _:
            return st.from_type(kind)


def test_a_name_in_a_generic_of_typing_is_that_of_its_own_file(site: Site) -> None:
    """``typing`` remembers ``List["Item"]``, and with it the first class that it has meant."""
    file = """
from typing import List

from pydantic import BaseModel


class Item(BaseModel):
    v: int
    {more}


async def GET(request) -> List["Item"]:
    return [{{"v": 1, "secret": "password"}}]
"""
    site.serve({"a/route.py": file.format(more="secret: str"), "b/route.py": file.format(more="")})
    client = Client()
    assert [client.get(path).json() for path in ("/a", "/b")] == [[{"v": 1, "secret": "password"}], [{"v": 1}]]
