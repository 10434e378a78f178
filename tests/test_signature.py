"""What fills the parameters of a handler, seen from outside."""

import importlib
from textwrap import dedent
from typing import Any, cast

import pytest
from django.urls import register_converter, resolve, reverse
from django.urls.converters import REGISTERED_CONVERTERS, get_converters

from conftest import Site


def _route(signature: str, result: str, head: str = "") -> str:
    return f"{dedent(head)}\n\nasync def GET({signature}):\n    return {result}\n"


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        ("str", "abc", '"abc"'),
        ("int", "42", "42"),
        ("int", "-7", "-7"),
        ("float", "1.5", "1.5"),
        ("bool", "true", "true"),
        ("UUID", "7f3b9c1e-0f5b-4c8e-9f57-1e4f7a3d2b10", '"7f3b9c1e-0f5b-4c8e-9f57-1e4f7a3d2b10"'),
        ("date", "2026-11-22", '"2026-11-22"'),
        ("datetime", "2026-11-22T10:00:00Z", '"2026-11-22T10:00:00Z"'),
        ("time", "10:30", '"10:30:00"'),
        ("Decimal", "9.90", '"9.90"'),
        ("Colour", "red", '"red"'),
        ("Level", "1", "1"),
        ('Literal["a", "b"]', "b", '"b"'),
        ("Annotated[int, Ge(1), Le(5)]", "5", "5"),
        ("Annotated[str, MaxLen(3)]", "abc", '"abc"'),
        ("int | None", "42", "42"),
    ],
)
def test_segment_is_converted_to_its_annotation(site: Site, annotation: str, text: str, expected: str) -> None:
    site.serve({"x/[id]/route.py": _HEAD + f"async def GET(id: {annotation}):\n    return JSONResponse(id)\n"})

    response = site.client.get(f"/x/{text}")

    assert (response.status_code, response.content.decode()) == (200, expected)


_HEAD = dedent(
    """
    from datetime import date, datetime, time
    from decimal import Decimal
    from enum import Enum, IntEnum
    from typing import Annotated, Literal
    from uuid import UUID

    from annotated_types import Ge, Le, MaxLen
    from django_routehandlers import JSONResponse


    class Colour(Enum):
        RED = "red"


    class Level(IntEnum):
        LOW = 1


    """
)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("int", "abc"),
        ("int", "+1"),
        ("int", "1.0"),
        ("int", "1_000"),
        ("int", "%201"),
        ("int", "1%0A"),
        ("int", "%EF%BC%91"),  # FULLWIDTH DIGIT ONE
        ("int", "9" * 5000),
        ("Annotated[int, Ge(1)]", "0"),
        ("Annotated[int, Ge(1)]", "1.0"),
        ("Annotated[int, Ge(1)]", "9" * 5000),
        ("int | None", "none"),
        ("int | None", "1.0"),
        ("date", "0"),
        ("date", "1763769600"),
        ("Annotated[date, Ge(date(2026, 1, 1))]", "2025-12-31"),
        ("Annotated[date, Ge(date(2026, 1, 1))]", "1800000000"),
        ("datetime", "1763769600"),
        ("time", "3600"),
        ("UUID", "7f3b"),
        ("date", "2026-02-30"),
        ("Colour", "blue"),
        ("Level", "3"),
        ("Level", "01"),
        ("Level", "+1"),
        ("Level", "1.0"),
    ],
)
def test_segment_that_does_not_fit_its_annotation_is_404(site: Site, annotation: str, text: str) -> None:
    """Invariant 93."""
    site.serve({"x/[id]/route.py": _HEAD + f"async def GET(id: {annotation}):\n    return str(id)\n"})

    response = site.client.get(f"/x/{text}")

    assert response.status_code == 404
    assert response.json() == {"type": "about:blank", "title": "Not Found", "status": 404}


def test_catch_all_is_a_list_of_str(site: Site) -> None:
    site.serve({"x/[...path]/route.py": _route("path", "path")})

    assert site.client.get("/x/a/1").json() == ["a", "1"]


def test_items_of_a_catch_all_are_converted(site: Site) -> None:
    site.serve({"x/[...path]/route.py": _route("path: list[int]", "path")})

    assert site.client.get("/x/1/2").json() == [1, 2]
    assert site.client.get("/x/1/2.0").status_code == 404


def test_missing_optional_catch_all_is_an_empty_list_and_absent_from_params(site: Site) -> None:
    site.serve({"x/[[...path]]/route.py": _route("path: list[str], params", "[path, params]")})

    assert site.client.get("/x").json() == [[], {}]
    assert site.client.get("/x/a").json() == [["a"], {"path": ["a"]}]


def test_params_holds_all_segments(site: Site) -> None:
    site.serve({"[a]/[...b]/route.py": _route("params", "params")})

    assert site.client.get("/1/2/3").json() == {"a": "1", "b": ["2", "3"]}


def test_unannotated_segment_with_a_converter_is_what_the_converter_gives(site: Site) -> None:
    site.serve({"x/[id=int]/route.py": _route("id", "id + 1")})

    assert site.client.get("/x/41").json() == 42


def test_converter_of_the_project_gives_an_instance_of_the_annotated_class(site: Site) -> None:
    class Pair:
        regex = "[a-z]+-[a-z]+"

        def to_python(self, value: str) -> complex:
            return complex(len(value.split("-")[0]), len(value.split("-")[1]))

        def to_url(self, value: complex) -> str:
            return "a" * int(value.real) + "-" + "a" * int(value.imag)

    register_converter(Pair, "pair")
    try:
        site.serve({"x/[pair=pair]/route.py": _route("pair: complex", "[pair.real, pair.imag]")})

        assert site.client.get("/x/ab-c").json() == [2.0, 1.0]
        assert site.client.get("/x/abc").status_code == 404
    finally:
        del REGISTERED_CONVERTERS["pair"]
        cast("Any", get_converters).cache_clear()


def test_methods_of_one_route_may_read_a_segment_differently(site: Site) -> None:
    site.serve({"x/[id]/route.py": "async def GET(id: int):\n    return id\n\n\nasync def PUT(id):\n    return id\n"})

    assert site.client.get("/x/1").json() == 1
    assert site.client.put("/x/1").json() == "1"


def test_request_is_known_by_its_name_or_its_annotation_in_any_place(site: Site) -> None:
    site.serve(
        {
            "a/[id]/route.py": _route("id, request", "[id, request.path]"),
            "b/[id]/route.py": _route("id, req: HttpRequest", "[id, req.path]", "from django.http import HttpRequest"),
            "c/[id]/route.py": _route("request, /, id", "[id, request.path]"),
        }
    )

    assert site.client.get("/a/1").json() == ["1", "/a/1"]
    assert site.client.get("/b/1").json() == ["1", "/b/1"]
    assert site.client.get("/c/1").json() == ["1", "/c/1"]


def test_annotation_of_the_request_may_be_imported_for_type_checkers_only(site: Site) -> None:
    site.serve(
        {
            "x/[id]/route.py": """
            from __future__ import annotations

            from typing import TYPE_CHECKING

            if TYPE_CHECKING:
                from django.http import HttpRequest


            async def GET(request: HttpRequest, id: int) -> int:
                return id
            """
        }
    )

    assert site.check() == []
    assert site.client.get("/x/1").json() == 1


@pytest.mark.parametrize(
    ("folder", "signature", "id", "what", "hint"),
    [
        (
            "x",
            "req",
            "E040",
            "GET: nothing fills the parameter 'req', which looks like `request`.",
            "Rename it to `request`, or annotate it: then it is a query parameter.",
        ),
        (
            "x",
            "request, context",
            "E040",
            "GET: nothing fills the parameter 'context', which looks like `params`.",
            "Rename it to `params`, or annotate it: then it is a query parameter.",
        ),
        (
            "x/[slug]",
            "slugs",
            "E040",
            "GET: nothing fills the parameter 'slugs', which looks like `slug`.",
            "Rename it to `slug`, or annotate it: then it is a query parameter.",
        ),
        (
            "x",
            "*args, **kwargs",
            "E041",
            "GET: *args and **kwargs say nothing of what the handler reads.",
            "Name the parameters, or take `params`. A decorator must use functools.wraps.",
        ),
        (
            "x",
            "*args",
            "E041",
            "GET: *args says nothing of what the handler reads.",
            "Name the parameters, or take `params`. A decorator must use functools.wraps.",
        ),
        (
            "x/[id]",
            "id, /",
            "E041",
            "GET: the parameter 'id' is positional-only, but inputs are passed by keyword.",
            "Move id behind the slash.",
        ),
        (
            "x/[id]",
            "id: object()",
            "E042",
            None,
            "Annotate id as str, int, UUID, date, an Enum or another type that pydantic reads.",
        ),
        (
            "x",
            "request: int",
            "E042",
            "GET: `request` is the request, which is no int.",
            "Annotate it as HttpRequest; or rename the parameter, if it is an input.",
        ),
        (
            "x/[id]",
            "id, request: list[str] | None",
            "E042",
            "GET: `request` is the request, which is no list[str] | None.",
            "Annotate it as HttpRequest; or rename the parameter, if it is an input.",
        ),
        (
            "x/[...path]",
            "path: str",
            "E042",
            "GET: the catch-all segment [...path] gives a list, which is no str.",
            "Annotate it as `path: list[str]`.",
        ),
        (
            "x/[id=int]",
            "id: str",
            "E042",
            "GET: the path converter of [id=int] gives int, which is no str.",
            "Annotate it as `id: int`, or take the converter away.",
        ),
        (
            "x/[id]",
            "id: 'Missing'",
            "E044",
            "GET: the annotation 'Missing' of 'id' cannot be evaluated.",
            "Import the name at the top of the file, outside `if TYPE_CHECKING`.",
        ),
    ],
)
def test_parameter_that_nothing_fills_is_a_mistake(
    site: Site, folder: str, signature: str, id: str, what: str | None, hint: str
) -> None:
    routes = site.write({f"{folder}/route.py": f"async def GET({signature}):\n    return None\n"})
    site.install()

    (message,) = site.check()

    assert message.id == f"routehandlers.{id}"
    assert message.hint == hint
    if what is not None:
        assert message.msg == f"{routes}/{folder}/route.py:1: /{folder}: {what}"


@pytest.mark.parametrize(
    "annotation",
    [
        "HttpRequest",
        "WSGIRequest | None",
        "Any",
        "object",
        "'Missing'",
        "Annotated[HttpRequest, 1]",
        "Asks",
        "Alias",
        "T",
    ],
)
def test_request_may_be_annotated_as_what_it_is(site: Site, annotation: str) -> None:
    head = """
    from typing import Annotated, Any, NewType, Protocol, TypeVar

    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpRequest

    Alias = NewType("Alias", HttpRequest)
    T = TypeVar("T", bound=HttpRequest)


    class Asks(Protocol):
        method: str | None
    """
    site.serve({"x/route.py": _route(f"request: {annotation}", "request.method", head)})

    assert (site.mistakes(), site.client.get("/x").json()) == ([], "GET")


def test_every_wrong_parameter_of_every_handler_is_reported(site: Site) -> None:
    site.serve({"x/route.py": "def GET(req, ctx):\n    pass\n\n\ndef POST(reqest):\n    pass\n"})

    assert [(message.id, message.msg.split(":")[1]) for message in site.check()] == [
        ("routehandlers.E040", "1"),
        ("routehandlers.E040", "1"),
        ("routehandlers.E040", "5"),
    ]


@pytest.mark.parametrize("decorator", ["login_required", "never_cache", "view_decorator"])
@pytest.mark.parametrize("signature", ["", "id: int", "id: int, request"])
def test_view_decorator_around_a_handler_that_does_not_take_the_request_first_is_a_mistake(
    site: Site, decorator: str, signature: str
) -> None:
    site.serve(
        {
            "x/[id]/route.py": f"""
            from functools import wraps

            from django.contrib.auth.decorators import login_required
            from django.views.decorators.cache import never_cache


            def view_decorator(view):
                @wraps(view)
                def inner(request, *args, **kwargs):
                    return view(request, *args, **kwargs)

                return inner


            @{decorator}
            async def GET({signature}):
                return None
            """
        }
    )

    (message,) = site.check()

    assert (message.id, message.hint) == ("routehandlers.E045", "Make `request` the first parameter.")


def test_decorator_that_passes_on_what_it_gets_needs_no_request(site: Site) -> None:
    site.serve(
        {
            "x/[id]/route.py": """
            from functools import wraps


            def _shout(function):
                @wraps(function)
                async def inner(*args, **kwargs):
                    return (await function(*args, **kwargs)).upper()

                return inner


            @_shout
            async def GET(id):
                return id
            """
        }
    )

    assert site.check() == []
    assert site.client.get("/x/a").json() == "A"


def test_request_is_taken_once(site: Site) -> None:
    head = "from django.http import HttpRequest\n\n\n"
    site.serve({"x/route.py": head + "def GET(request, r: HttpRequest):\n    return None\n"})

    (message,) = site.check()

    assert message.id == "routehandlers.E041"
    assert message.hint == "Remove r."


def test_request_may_be_keyword_only(site: Site) -> None:
    site.serve({"x/route.py": "def GET(*, request):\n    return request.path\n"})

    assert site.client.get("/x").json() == "/x"


def test_enum_with_values_that_are_no_text_is_read_by_them_and_reversed(site: Site) -> None:
    site.serve(
        {
            "x/[n]/route.py": """
            import enum


            class Level(enum.Enum):
                LOW = 1
                HIGH = 2


            async def GET(n: Level):
                return n.name
            """
        }
    )
    level = importlib.import_module(resolve("/x/1").func.__module__ + ".route").Level

    assert site.client.get("/x/2").json() == "HIGH"
    assert site.client.get("/x/3").status_code == 404
    assert site.client.get("/x/HIGH").status_code == 404
    assert reverse("routes:x-n", kwargs={"n": level.HIGH}) == "/x/2"


def test_catch_all_may_be_annotated_as_optional(site: Site) -> None:
    site.serve({"x/[[...n]]/route.py": "async def GET(n: list[int] | None = None):\n    return n\n"})

    assert site.client.get("/x/1/2").json() == [1, 2]
    assert site.client.get("/x").json() == []


def test_mistake_of_a_function_written_elsewhere_has_no_line(site: Site) -> None:
    routes = site.write(
        {
            "x/route.py": """
            from django.views import View


            class _View(View):
                def get(self, request):
                    return None


            GET = _View.as_view()
            """
        }
    )
    site.install()

    (message,) = site.check()

    assert message.id == "routehandlers.E041"
    assert message.msg.startswith(f"{routes}/x/route.py: /x: GET: *args and **kwargs say nothing")
    assert message.hint == "Write a function here, or serve the class-based view from urls.py."
