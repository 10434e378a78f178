"""Instances of flat models are written without pydantic, byte for byte as pydantic writes them."""

from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    TypeAdapter,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from django_routehandlers.responses.native import flat_writer
from django_routehandlers.responses.typed import Misfit, TypedEncoder


class Flat(BaseModel):
    number: int
    price: float | None = None
    name: Annotated[str, Field(max_length=1000)] = ""
    is_sold: bool = False
    at: datetime | None = None
    day: date | None = None
    key: UUID | None = None

    @field_validator("name")
    @classmethod
    def strip(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def check(self) -> "Flat":
        return self

    @cached_property
    def secret(self) -> str:
        return "secret"


class Aliased(BaseModel):
    number: int = Field(serialization_alias="no")


class Excluded(BaseModel):
    number: int = Field(exclude=True)


class Computed(BaseModel):
    number: int

    @computed_field
    @property
    def double(self) -> int:
        return 2 * self.number


class Serialized(BaseModel):
    number: int

    @field_serializer("number")
    def write(self, value: int) -> str:
        return str(value)


class Annotation(BaseModel):
    number: Annotated[int, PlainSerializer(str)]


class Configured(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    number: float


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    number: int


class Nested(BaseModel):
    flat: Aliased


class Rooted(RootModel[int]):
    pass


def writer(annotation: Any) -> Any:
    return flat_writer(TypeAdapter(annotation).core_schema)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "annotation",
    [Aliased, Excluded, Computed, Serialized, Annotation, Configured, Extra, Nested, Rooted, int, list[Flat], Any],
)
def test_what_pydantic_writes_in_a_way_of_its_own_is_left_to_it(annotation: Any) -> None:
    assert writer(annotation) is None


@given(
    st.builds(
        Flat,
        number=st.integers(-(2**63), 2**63),
        price=st.none() | st.floats(allow_nan=True, allow_infinity=True),
        name=st.text(st.characters(exclude_categories=["Cs"])),
        at=st.none() | st.datetimes() | st.datetimes().map(lambda at: at.replace(tzinfo=UTC)),
        day=st.none() | st.dates(),
        key=st.none() | st.uuids(),
    )
)
def test_a_flat_model_is_written_as_pydantic_writes_it(item: Flat) -> None:
    assert writer(Flat)(item) == TypeAdapter(Flat).dump_json(item)


@pytest.mark.parametrize(
    "change",
    [
        lambda item: setattr(item, "number", "12"),
        lambda item: setattr(item, "number", True),
        lambda item: item.secret,
        lambda item: vars(item).pop("name"),
        lambda item: vars(item).update(unknown=1),
    ],
    ids=["another type", "a subclass of it", "cached property", "deleted", "added"],
)
def test_an_instance_that_is_not_what_its_fields_say_is_left_to_pydantic(change: Any) -> None:
    item = Flat(number=1)
    assert writer(Flat)(item) is not None
    change(item)
    assert writer(Flat)(item) is None


def test_an_instance_of_a_subclass_is_left_to_pydantic() -> None:
    class More(Flat):
        more: int = 2

    assert writer(Flat)(More(number=1)) is None


def test_an_encoder_finds_misfits_in_production_too() -> None:
    encoder = TypedEncoder(TypeAdapter(Flat))
    item = Flat(number=1)
    item.number = "many"  # type: ignore[assignment]
    with pytest.raises(Misfit, match=r"^At #/number: Input should be a valid integer"):
        encoder.encode(item, is_checked=False)
