"""Parameters that nothing can fill are mistakes that a check reports, each with its remedy."""

import pytest

from conftest import Site

HEAD = """
from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import UploadedFile
from pydantic import BaseModel, Field

from django_routehandlers import Cookie, Form, Header


class Model(BaseModel):
    name: str


class Nested(BaseModel):
    inner: Model


class Plain:
    name: str


class Unfinished(BaseModel):
    inner: "Missing"


"""


def mistakes(site: Site, signature: str, method: str = "POST") -> list[tuple[str, str, str]]:
    routes = site.write({"x/[id]/route.py": f"{HEAD}async def {method}({signature}): ...\n"})
    site.settings.MIDDLEWARE = [
        "django_routehandlers.middleware.CacheControlMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    site.install()
    where = f"{routes}/x/[id]/route.py:{HEAD.strip().count(chr(10)) + 4}: /x/[id]: {method}: "
    found = site.check()
    assert all(message.msg.startswith(where) for message in found)
    return [
        (str(message.id).removeprefix("routehandlers."), message.msg.removeprefix(where), str(message.hint))
        for message in found
    ]


TEXT = "as str, int, UUID, date, an Enum, a list of these, or another type that pydantic reads from text."
MODEL = "with a type that pydantic validates: a model, a dataclass, a builtin type."


@pytest.mark.parametrize(
    ("signature", "id", "what", "remedy"),
    [
        (
            "page: Model",
            "E042",
            "the query parameter 'page' is text, which cannot be converted to Model.",
            f"Annotate page {TEXT} A model is named `body` or `query`.",
        ),
        (
            "page: Plain",
            "E042",
            "'page' cannot be Plain: Plain is a class that declares no fields.",
            f"Annotate page {MODEL}",
        ),
        (
            "page: list[Model]",
            "E042",
            "the query parameter 'page' is text, which cannot be converted to list[Model].",
            f"Annotate page {TEXT} A model is named `body` or `query`.",
        ),
        (
            "query: Nested",
            "E042",
            "'inner' of Nested is an object, which no text can be.",
            "Take inner away, or make it a str, a number or a list of these.",
        ),
        (
            "x: Annotated[Model, Header()]",
            "E042",
            "the header field 'x' is text, which cannot be converted to Model.",
            f"Annotate x {TEXT}",
        ),
        (
            "x: Annotated[list[str], Cookie()]",
            "E042",
            "the cookie 'x' has one value, which is no list[str].",
            "Annotate it as str, and split it.",
        ),
        (
            "body",
            "E042",
            "`body` has no annotation, which would say what the content is.",
            "Annotate it with a pydantic model, a dataclass, dict, list, bytes or str.",
        ),
        (
            "body: User",
            "E042",
            "'body' is annotated as User, a Django model, which no request holds.",
            "The user is the parameter named `user`. Of anything else take the key, and get the row yourself.",
        ),
        (
            "body: Unfinished",
            "E042",
            "'body' cannot be Unfinished: name 'Missing' is not defined.",
            f"Annotate body {MODEL}",
        ),
        (
            "items: AsyncIterator[int]",
            "E042",
            "'items' cannot be AsyncIterator[int]: it is read later, item by item.",
            f"Annotate items {MODEL}",
        ),
        (
            "body: Iterable[int] | None",
            "E042",
            "'body' cannot be Iterable[int] | None: it is read later, item by item.",
            f"Annotate body {MODEL}",
        ),
        (
            "body: AsyncIterator[Nested] = ()",
            "E049",
            "`body` has a default, but without content it is an iterator of nothing.",
            "Remove the default.",
        ),
        (
            "body: AsyncIterator[bytes]",
            "E042",
            "`body` cannot be AsyncIterator[bytes]: it is read as lines of JSON, which has no bytes.",
            "Annotate it with what a line holds, or take the `request` and read from it.",
        ),
        (
            "body: AsyncIterator[User]",
            "E042",
            "'body' is annotated as User, a Django model, which no request holds.",
            "The user is the parameter named `user`. Of anything else take the key, and get the row yourself.",
        ),
        (
            "body: Iterable[int]",
            "E057",
            "`body` is an iterator that waits for the client, and would keep every other request waiting.",
            "Annotate it as AsyncIterator, and read it with `async for`; or write a plain function.",
        ),
        (
            "user: int",
            "E042",
            "`user` is the request's user, which is no int.",
            "Annotate it as User, or as User | None; or rename the parameter.",
        ),
        (
            "user: AnonymousUser",
            "E042",
            "`user` is the request's user, which is no AnonymousUser.",
            "Annotate it as User, or as User | None; or rename the parameter.",
        ),
        (
            "page: Missing",
            "E044",
            "the annotation 'Missing' of 'page' cannot be evaluated.",
            "Import the name at the top of the file, outside `if TYPE_CHECKING`.",
        ),
        (
            "body: Model, raw: Annotated[str, Form()]",
            "E047",
            "'body' and 'raw' are both read from the content, of which one is the whole.",
            "Remove all but body, or make them one model.",
        ),
        (
            "body: Model, photo: UploadedFile",
            "E047",
            "'body' and 'photo' are both read from the content, of which one is the whole.",
            "Remove all but body, or make them one model.",
        ),
        (
            "plan: str = Header()",
            "E049",
            "the default of 'plan' is Header, which belongs into its annotation.",
            "Write `plan: Annotated[str, Header(…)]`.",
        ),
        (
            "plan: str = Header",
            "E049",
            "the default of 'plan' is Header, which belongs into its annotation.",
            "Write `plan: Annotated[str, Header(…)]`.",
        ),
        (
            "page: int = Field(1, ge=1)",
            "E049",
            "the default of 'page' is Field, which belongs into its annotation.",
            "Write `page: Annotated[int, Field(…)]`.",
        ),
        (
            "page: Annotated[int, Field(default=1)]",
            "E049",
            "Field() of 'page' holds a default, which has no effect there.",
            "Write the default behind the annotation: `page: Annotated[…] = …`.",
        ),
        (
            "id: Model",
            "E042",
            "a segment is text, which cannot be converted to Model.",
            "Annotate id as str, int, UUID, date, an Enum or another type that pydantic reads.",
        ),
        (
            "a: Annotated[int, Field(alias='p')], p: int = 1",
            "E049",
            "'a' and 'p' both read 'p'.",
            "Give one of them another name, or remove it.",
        ),
        (
            "owner: User",
            "E042",
            "'owner' is annotated as User, a Django model, which no request holds.",
            "The user is the parameter named `user`. Of anything else take the key, and get the row yourself.",
        ),
        (
            "item_id: int",
            "W054",
            "'item_id' is a required query parameter, and nothing takes the segment `id`.",
            "Rename it to `id`, or take `id` as well.",
        ),
        (
            "idd: int",
            "W054",
            "'idd' is a required query parameter, and nothing takes the segment `id`.",
            "Rename it to `id`, or take `id` as well.",
        ),
        (
            "x: Annotated[str, Header('X-Plan')] | None = None",
            "E049",
            "the annotation of 'x' has Header(), Cookie() or Form() inside, where it says nothing.",
            "Write `Annotated[… | None, Header()]`: the marker belongs to the whole annotation.",
        ),
        (
            "x: list[Annotated[str, Cookie()]]",
            "E049",
            "the annotation of 'x' has Header(), Cookie() or Form() inside, where it says nothing.",
            "Write `Annotated[… | None, Header()]`: the marker belongs to the whole annotation.",
        ),
        ("x: Annotated[str, Header]", "E049", "Header of 'x' is not called.", "Write `Header()`."),
        (
            "x: Annotated[str, Header(), Cookie()]",
            "E049",
            "'x' has Header() and Cookie(). A parameter has one place.",
            "Remove one of them.",
        ),
        (
            "x: Annotated[str, Header('X_Plan')]",
            "E049",
            "'X_Plan' is no name of a header field that reaches Django: letters, digits and hyphens do.",
            'Write `Header("X-Plan")`.',
        ),
    ],
)
def test_a_parameter_that_nothing_can_fill_is_a_mistake(
    site: Site, signature: str, id: str, what: str, remedy: str
) -> None:
    assert mistakes(site, signature) == [(id, what, remedy)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("signature", ["body: Model", "body: bytes", "x: Annotated[str, Form()]", "x: UploadedFile"])
def test_content_of_a_method_without_content_is_a_mistake(site: Site, method: str, signature: str) -> None:
    name = signature[: signature.index(":")]

    assert mistakes(site, signature, method) == [
        (
            "E046",
            f"{name!r} is content, which has no meaning in a {method} (RFC 9110, section 9.3).",
            "Take query parameters, or write a POST.",
        )
    ]


@pytest.mark.parametrize(
    "signature",
    [
        "id, body: Model",
        "body: Any",
        "body: Model | None = None",
        "reqs: int",
        "id: int, item_id: int",
        "params, item_id: int",
        "request, item_id: int",
        "item_id: int = 1",
        "users: int = 1",
        "requests=1",
        "login: Annotated[Model, Form()], photo: UploadedFile",
        "a: Annotated[str, Form()], b: Annotated[int, Form()]",
        "user, body: Annotated[str, Form()]",
        "query: dict[str, str]",
        "x_forwarded_for: Annotated[str | None, Header()] = None",
    ],
)
def test_what_can_be_filled_is_no_mistake(site: Site, signature: str) -> None:
    assert mistakes(site, signature) == []
