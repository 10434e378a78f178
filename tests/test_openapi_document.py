"""The OpenAPI document: what it says of handlers, and that it is valid."""

import sys
from types import ModuleType
from typing import Any

import pytest
from django.urls import include, path, re_path
from openapi_spec_validator import validate

from conftest import Site
from django_routehandlers.openapi.document import unique_ids
from django_routehandlers.openapi.operations import natural_id
from openapi_routes import ROUTES

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PLAIN = {"text/html": {"schema": {"type": "string"}}}


def document_of(site: Site) -> dict[str, Any]:
    """Return the site's document, which is valid."""
    assert site.check() == []
    found = site.client.get("/openapi.json").json()
    validate(found)
    return found


def operation_of(site: Site, source: str, *, route: str = "x", method: str = "get") -> dict[str, Any]:
    """Return the one operation of a route of its own."""
    site.serve({f"{route}/route.py": source})
    (item,) = document_of(site)["paths"].values()
    return item[method]


def parameters_of(site: Site, source: str, *, route: str = "x") -> list[dict[str, Any]]:
    """Return the parameters of a GET."""
    return operation_of(site, source, route=route).get("parameters", [])


def test_names_of_fields_are_written_as_their_standards_write_them(site: Site) -> None:
    source = (
        "from typing import Annotated\n\nfrom django_routehandlers import Header\n\n"
        "Text = Annotated[str, Header()]\n\n\ndef GET(last_event_id: Text, dnt: Text, x_id: Text):\n"
        "    return [last_event_id, dnt, x_id]\n"
    )
    assert [one["name"] for one in parameters_of(site, source)] == ["Last-Event-ID", "DNT", "X-Id"]
    fields = {"last-event-id": "7", "dnt": "1", "x-id": "a"}
    assert site.client.get("/x", headers=fields).json() == ["7", "1", "a"]


def test_the_document_says_what_holds_where_limits_are_counted(site: Site) -> None:
    """Tests switch the counting off, and hold the document against the one that was published."""
    site.settings.ROUTEHANDLERS = {"THROTTLE_ENABLED": False}
    operation = operation_of(site, 'throttle = "1/hour"\n\n\ndef GET(request):\n    return 1\n')
    assert "429" in operation["responses"]
    assert [site.client.get("/x").status_code for _ in range(2)] == [200, 200]


def test_document_of_all_kinds_of_handlers_is_valid(site: Site) -> None:
    site.serve(ROUTES)
    found = document_of(site)
    assert found["openapi"] == "3.1.1"
    assert [(name, *item) for name, item in found["paths"].items()] == [
        ("/api/forms", "post", "put"),
        ("/api/items", "get", "post"),
        ("/api/items/by-name/{slug}", "get"),
        ("/api/items/{id}", "get", "put", "patch", "delete"),
        ("/api/raw", "post", "put"),
        ("/docs", "get", "head"),
        ("/docs/{slug}", "get", "head"),
        ("/events", "get"),
        ("/files/{path}", "get"),
        ("/lines", "post", "put"),
        ("/untold", "post"),
    ]
    assert found["tags"] == [{"name": name} for name in ("docs", "files", "forms", "items", "live", "raw", "untold")]
    names = [name.replace(f"{site.label()}__routes__", "") for name in found["components"]["schemas"]]
    assert sorted(names) == [
        "Address",
        "Color",
        "Event",
        "Problem",
        "Reading",
        "Taken",
        "api__items__id__route__Item",
        "api__items__route__Item-Input",
        "api__items__route__Item-Output",
    ]


def test_document_of_no_route_is_valid(site: Site) -> None:
    site.serve({})
    assert document_of(site) == {
        "openapi": "3.1.1",
        "info": {"title": "API", "version": "0.0.0"},
        "tags": [],
        "paths": {},
        "components": {"schemas": {}},
    }


def test_info_is_laid_over_the_defaults(site: Site) -> None:
    site.serve({})
    site.settings.ROUTEHANDLERS = {"OPENAPI_INFO": {"title": "Shop", "contact": {"name": "Ada"}}}
    assert document_of(site)["info"] == {"title": "Shop", "version": "0.0.0", "contact": {"name": "Ada"}}


WIDGET = {"application/json": {"schema": {"$ref": "#/components/schemas/Widget"}}}
ACCEPT = {"Accept": {"description": "The media types that are read.", "schema": {"type": "string"}}}
OPERATION: dict[str, Any] = {
    "tags": ["widgets"],
    "operationId": "post_api_v2_widgets_id",
    "summary": "Make a widget.",
    "description": "It is made at once.",
    "parameters": [
        {
            "name": "id",
            "in": "path",
            "description": "Its number.",
            "schema": {"type": "integer", "minimum": 1},
            "required": True,
        },
        {
            "name": "dry",
            "in": "query",
            "description": "Change nothing.",
            "schema": {"type": "boolean", "examples": [True], "default": False},
        },
    ],
    "requestBody": {"required": True, "content": WIDGET},
    "responses": {
        "201": {"description": "Created", "content": WIDGET},
        "400": {"description": "Bad Request. The body cannot be read as what it should be.", "content": PROBLEM},
        "403": {"description": "Forbidden. The request comes from another site.", "content": PROBLEM},
        "404": {"description": "Not Found. A segment of the path names nothing.", "content": PROBLEM},
        "411": {"description": "Length Required. The body does not state its length.", "content": PROBLEM},
        "413": {"description": "Content Too Large. The body is too large.", "content": PROBLEM},
        "415": {
            "description": "Unsupported Media Type. The body has a media type or a coding that is not read.",
            "headers": ACCEPT,
            "content": PROBLEM,
        },
        "422": {
            "description": "Unprocessable Content. The input is invalid: `errors` tells all faults.",
            "content": PROBLEM,
        },
        "default": {"description": "Any other problem.", "content": PROBLEM},
    },
}


def test_operation_tells_all_that_the_signature_says(site: Site) -> None:
    source = '''
        """Widgets."""
        from typing import Annotated, Literal
        from django_routehandlers import JSONResponse
        from pydantic import BaseModel, Field

        class Widget(BaseModel):
            name: str

        def POST(
            id: Annotated[int, Field(ge=1, description="Its number.")],
            body: Widget,
            dry: Annotated[bool, Field(description="Change nothing.", examples=[True])] = False,
        ) -> JSONResponse[Widget, Literal[201]]:
            """Make a widget.

            It is made at once.
            """
            return JSONResponse(body, status=201)
        '''
    assert operation_of(site, source, route="api/v2/widgets/[id]", method="post") == OPERATION


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("q: str", {"required": True, "schema": {"type": "string"}}),
        ("q: int = 3", {"schema": {"type": "integer", "default": 3}}),
        ("q: int | None = None", {"schema": {"type": "integer"}}),
        ("q: Decimal = Decimal('1.5')", {"schema": {"type": "number", "default": 1.5}}),
        (
            "q: Annotated[Decimal | None, Field(examples=['9.90'])] = None",
            {"schema": {"type": "number", "examples": [9.9]}},
        ),
        ("q: date | None = None", {"schema": {"type": "string", "format": "date"}}),
        ("q: Literal['a', 'b'] = 'a'", {"schema": {"type": "string", "enum": ["a", "b"], "default": "a"}}),
        ("q: int | bool = 1", {"schema": {"anyOf": [{"type": "integer"}, {"type": "boolean"}], "default": 1}}),
        (
            "q: list[int] = []",
            {
                "style": "form",
                "explode": True,
                "schema": {"type": "array", "items": {"type": "integer"}, "default": []},
            },
        ),
        (
            "q: Annotated[list[str], Header()]",
            {
                "name": "Q",
                "in": "header",
                "style": "simple",
                "explode": False,
                "required": True,
                "schema": {"type": "array", "items": {"type": "string"}},
            },
        ),
        ("q: Annotated[str, Cookie('theme')] = ''", {"name": "theme", "in": "cookie"}),
        ("q: Annotated[str, Field(alias='from')]", {"name": "from", "required": True}),
    ],
)
def test_parameter_as_the_annotation_says(site: Site, annotation: str, expected: dict[str, Any]) -> None:
    source = (
        "from datetime import date\nfrom decimal import Decimal\nfrom typing import Annotated, Literal\n"
        "from django_routehandlers import Cookie, Header\nfrom pydantic import Field\n"
        f"def GET({annotation}) -> int: return 1\n"
    )
    (found,) = parameters_of(site, source)
    assert found == {"name": "q", "in": "query", "schema": found["schema"], **expected}


def test_model_of_the_whole_query_string_becomes_its_parameters(site: Site) -> None:
    source = """
        from decimal import Decimal
        from pydantic import BaseModel, ConfigDict, Field

        class Page(BaseModel):
            model_config = ConfigDict(extra="allow")
            number: int = Field(ge=1, alias="page")
            tags: list[str] = []
            by: str | None = Field(None, description="Order.", deprecated=True)
            least: Decimal = Decimal("1.5")

        def GET(query: Page, by: int = 1) -> int: return 1
        """
    assert parameters_of(site, source) == [
        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}, "required": True},
        {
            "name": "tags",
            "in": "query",
            "style": "form",
            "explode": True,
            "schema": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        {"name": "by", "in": "query", "description": "Order.", "deprecated": True, "schema": {"type": "string"}},
        {"name": "least", "in": "query", "schema": {"type": "number", "default": 1.5}},
        {
            "name": "query",
            "in": "query",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": True},
        },
    ]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("[n=int]", {"type": "integer", "minimum": 0}),
        ("[n=uuid]", {"type": "string", "format": "uuid"}),
        ("[n=slug]", {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}),
        ("[n=str]", {"type": "string"}),
        ("[n]", {"type": "string"}),
        ("[...n]", {"type": "string", "pattern": "^[^/]+(/[^/]+)*$"}),
    ],
)
def test_segment_as_its_folder_says(site: Site, folder: str, expected: dict[str, Any]) -> None:
    (found,) = parameters_of(site, "def GET(n) -> int: return 1", route=folder)
    assert found["schema"] == expected


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("", {"default": []}),
        (" -> HttpResponse", {"default": []}),
        (" -> None", {"204": [], "default": ["application/problem+json"]}),
        (" -> int", {"200": ["application/json"], "default": ["application/problem+json"]}),
        (" -> int | None", {"200": ["application/json"], "204": [], "default": ["application/problem+json"]}),
        (" -> int | HttpResponse", {"200": ["application/json"], "default": []}),
        (
            " -> Iterator[int]",
            {"200": ["application/x-ndjson", "application/jsonl"], "default": ["application/problem+json"]},
        ),
        (" -> JSONResponse[int, int]", {"default": ["application/problem+json", "application/json"]}),
        (
            " -> JSONResponse[int, Literal[200, 404]]",
            {"200": ["application/json"], "404": ["application/json"], "default": ["application/problem+json"]},
        ),
    ],
)
def test_answers_as_the_return_annotation_says(site: Site, returns: str, expected: dict[str, Any]) -> None:
    source = (
        "from collections.abc import Iterator\nfrom typing import Literal\nfrom django.http import HttpResponse\n"
        f"from django_routehandlers import JSONResponse\ndef GET(){returns}: ...\n"
    )
    responses = operation_of(site, source)["responses"]
    assert {status: list(one.get("content", {})) for status, one in responses.items()} == expected


def test_status_of_a_problem_and_of_an_answer_has_both_contents(site: Site) -> None:
    source = """
        from typing import Literal
        from django_routehandlers import JSONResponse

        def GET(id: int) -> JSONResponse[str, Literal[404]]: return JSONResponse("no", status=404)
        """
    found = operation_of(site, source, route="[id]")["responses"]["404"]
    assert found["content"] == {"application/json": {"schema": {"type": "string"}}, **PROBLEM}


def test_segment_that_decides_which_route_answers_may_meet_the_page_of_the_project(site: Site) -> None:
    found = operation_of(site, "def GET(id) -> int: return 1", route="[id=int]")["responses"]["404"]
    assert found["content"] == {**PROBLEM, **PLAIN}


def test_handler_that_declares_nothing_leaves_the_content_of_problems_open(site: Site) -> None:
    found = operation_of(site, "def GET(id: int): ...", route="[id]")["responses"]
    assert found["404"]["content"] == {**PROBLEM, "*/*": {}}


def test_decorator_around_a_handler_leaves_other_answers_open(site: Site) -> None:
    source = """
        from django.contrib.auth.decorators import login_required

        @login_required
        def GET(request) -> int: return 1
        """
    assert [(status, "content" in one) for status, one in operation_of(site, source)["responses"].items()] == [
        ("200", True),
        ("default", False),
    ]


def test_stream_tells_the_schema_of_an_item(site: Site) -> None:
    source = "from collections.abc import Iterator\ndef GET() -> Iterator[int]: yield 1"
    lines = {
        "schema": {"type": "string", "description": "One JSON value a line."},
        "x-item-schema": {"type": "integer"},
    }
    content = operation_of(site, source)["responses"]["200"]["content"]
    assert content == {"application/x-ndjson": lines, "application/jsonl": lines}


def test_lines_of_a_body_tell_the_schema_of_an_item(site: Site) -> None:
    source = "from collections.abc import Iterator\ndef POST(body: Iterator[int]) -> None: ..."
    lines = {
        "schema": {"type": "string", "description": "One JSON value a line."},
        "x-item-schema": {"type": "integer"},
    }
    found = operation_of(site, source, method="post")
    assert found["requestBody"] == {
        "required": False,
        "content": {"application/x-ndjson": lines, "application/jsonl": lines},
    }
    assert list(found["responses"]) == ["204", "400", "403", "411", "413", "415", "422", "default"]


@pytest.mark.parametrize("annotation", ["EventStreamResponse[int]", "AsyncIterator[ServerSentEvent[int]]"])
def test_event_stream_tells_the_schema_of_its_data(site: Site, annotation: str) -> None:
    source = (
        "from collections.abc import AsyncIterator\nfrom django_routehandlers import *\n"
        f"async def GET() -> {annotation}: ..."
    )
    content = operation_of(site, source)["responses"]["200"]["content"]
    assert content == {
        "text/event-stream": {
            "schema": {"type": "string", "description": "Events, the data of each a JSON value."},
            "x-item-schema": {"type": "integer"},
        }
    }


def test_form_has_its_values_and_files(site: Site) -> None:
    site.serve(ROUTES)
    forms = document_of(site)["paths"]["/api/forms"]
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    assert forms["put"]["requestBody"] == {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string"},
                        "picture": file,
                        "more": {"type": "array", "items": file},
                    },
                    "required": ["title", "picture"],
                }
            }
        },
    }
    form = forms["post"]["requestBody"]["content"]
    assert list(form) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    assert form["application/x-www-form-urlencoded"] == {
        "schema": {
            "type": "object",
            "properties": {
                "street": {"type": "string"},
                "numbers": {"type": "array", "items": {"type": "integer"}, "default": []},
                "note": {"type": "string", "default": ""},
            },
            "required": ["street"],
        },
        "encoding": {"numbers": {"style": "form", "explode": True}},
    }


@pytest.mark.parametrize(
    ("annotation", "media_type", "schema"),
    [
        (
            "bytes",
            "application/octet-stream",
            {"type": "string", "contentMediaType": "application/octet-stream"},
        ),
        ("str", "text/plain", {"type": "string"}),
    ],
)
def test_raw_body_has_the_media_type_of_its_kind(
    site: Site, annotation: str, media_type: str, schema: dict[str, Any]
) -> None:
    found = operation_of(site, f"def POST(body: {annotation}) -> int: return 1", method="post")
    assert found["requestBody"] == {"required": True, "content": {media_type: {"schema": schema}}}
    assert "422" not in found["responses"]


def test_user_is_a_security_requirement(site: Site) -> None:
    site.serve(
        {
            "x/route.py": """
                from django.contrib.auth.models import User

                def GET(user: User) -> int: return 1

                def POST(user: User | None) -> int: return 1

                def DELETE() -> int: return 1
                """
        }
    )
    found = document_of(site)
    operations = found["paths"]["/x"]
    assert [operations[method].get("security") for method in ("get", "post", "delete")] == [
        [{"session": []}],
        [{}, {"session": []}],
        None,
    ]
    assert found["components"]["securitySchemes"]["session"]["name"] == "sessionid"
    assert [method for method in operations if "401" in operations[method]["responses"]] == ["get"]


def test_deprecated_handler_says_what_to_use(site: Site) -> None:
    source = '''
        from typing_extensions import deprecated

        @deprecated("Use /y.")
        def GET() -> int:
            """Count."""
            return 1
        '''
    found = operation_of(site, source)
    assert (found["summary"], found["description"], found["deprecated"]) == ("Count.", "Deprecated: Use /y.", True)
    assert found["responses"]["default"]["content"] == PROBLEM


def test_docstring_of_the_file_is_for_its_readers_alone(site: Site) -> None:
    found = operation_of(site, '"""About x."""\ndef GET() -> int: return 1')
    assert (found.get("summary"), found.get("description")) == (None, None)


@pytest.mark.parametrize(
    ("route", "tag"),
    [
        ("api/v1/orders/[id]", "orders"),
        ("api/(internal)/health", "internal"),
        ("(shop)/api/carts", "shop"),
        ("api/[id=str]", "{app}"),
        ("api", "{app}"),
    ],
)
def test_tag_comes_from_the_folders_of_the_route(site: Site, route: str, tag: str) -> None:
    source = f"def GET({'id' if '[' in route else ''}) -> int: return 1"
    assert operation_of(site, source, route=route)["tags"] == [tag.format(app=site.label())]


def test_models_of_one_name_are_told_apart(site: Site) -> None:
    source = """
        from pydantic import BaseModel

        class Thing(BaseModel):
            {name}: int

        def POST(body: Thing) -> Thing: return body
        """
    site.serve({f"{name}/route.py": source.format(name=name) for name in ("a", "b")})
    schemas = document_of(site)["components"]["schemas"]
    properties = {name: list(schema["properties"]) for name, schema in schemas.items() if name != "Problem"}
    package = f"{site.label()}__routes"
    assert properties == {f"{package}__a__route__Thing": ["a"], f"{package}__b__route__Thing": ["b"]}


def test_model_named_problem_keeps_its_name(site: Site) -> None:
    source = """
        from pydantic import BaseModel

        class Problem(BaseModel):
            solved: bool

        def GET() -> Problem: ...
        """
    site.serve({"x/route.py": source})
    found = document_of(site)
    assert list(found["components"]["schemas"]) == ["HTTPProblem", "Problem"]
    assert found["components"]["schemas"]["Problem"]["properties"] == {"solved": {"type": "boolean"}}


def test_route_that_says_so_is_left_out(site: Site) -> None:
    site.serve({"x/route.py": "openapi = False\ndef GET(): ...", "y/route.py": "openapi = True\ndef GET(): ..."})
    assert list(document_of(site)["paths"]) == ["/y"]


def test_paths_stand_below_what_includes_the_routes(site: Site) -> None:
    site.serve({"x/[id]/route.py": "def GET(id: int) -> int: return id"})
    set_urlconf(
        site,
        path("v1/<slug:tenant>/", include("django_routehandlers.urls")),
        re_path(r"^old/(?P<year>[0-9]{4})/", include(("django_routehandlers.urls", "routes"), namespace="old")),
    )
    found = site.client.get("/v1/acme/openapi.json").json()
    validate(found)
    assert {name: [one["name"] for one in item["get"]["parameters"]] for name, item in found["paths"].items()} == {
        "/old/{year}/x/{id}": ["year", "id"],
        "/v1/{tenant}/x/{id}": ["tenant", "id"],
    }


def test_paths_are_percent_encoded_and_have_the_slash_of_the_setting(site: Site) -> None:
    site.serve({"crème brûlée/{x%7D/[id]/route.py".replace("{x", "%7Bx"): "def GET(id) -> int: return 1"})
    assert list(document_of(site)["paths"]) == ["/cr%C3%A8me%20br%C3%BBl%C3%A9e/%7Bx%7D/{id}"]
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": True}
    assert list(document_of(site)["paths"]) == ["/cr%C3%A8me%20br%C3%BBl%C3%A9e/%7Bx%7D/{id}/"]


def test_two_routes_of_one_template_are_two_paths(site: Site) -> None:
    source = "def GET(id) -> int: return 1"
    site.serve({"x/[id=int]/route.py": f'name = "number"\n{source}', "x/[id]/route.py": source})
    found = document_of(site)["paths"]
    assert {name: item["get"]["operationId"] for name, item in found.items()} == {
        "/x/{id_}": "get_x_id",
        "/x/{id}": "get_x_id_2",
    }


@pytest.mark.parametrize(
    ("path_template", "expected"),
    [
        ("/", "get_root"),
        ("/api/products/{id}", "get_api_products_id"),
        ("/by-name/robots.txt", "get_by_name_robots_txt"),
        ("/x/", "get_x"),
        ("/caf%C3%A9", "get_cafxc3xa9"),
    ],
)
def test_operation_id_follows_from_method_and_path(path_template: str, expected: str) -> None:
    assert natural_id("GET", path_template) == expected


def test_operation_ids_never_collide() -> None:
    paths = ["/a-b", "/a_b", "/a.b", "/a_b/2", "/a_b/3"]
    assert unique_ids([("GET", one) for one in paths]) == [
        "get_a_b",
        "get_a_b_4",
        "get_a_b_5",
        "get_a_b_2",
        "get_a_b_3",
    ]


def test_document_does_not_depend_on_the_language_of_the_request(site: Site) -> None:
    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    site.settings.ROUTEHANDLERS = {}
    source = """
        from django.db.models import TextChoices
        from django.utils.translation import gettext_lazy

        class Day(TextChoices):
            MONDAY = "mo", gettext_lazy("Monday")

        def GET(day: Day = Day.MONDAY) -> Day: return day
        """
    site.serve({"x/route.py": source})
    assert document_of(site) == site.client.get("/openapi.json", headers={"Accept-Language": "de"}).json()


def set_urlconf(site: Site, *patterns: Any) -> None:
    """Make *patterns* the whole URLconf of the site."""
    urlconf = ModuleType(f"{site.name}_other_urls")
    urlconf.urlpatterns = list(patterns)
    sys.modules[urlconf.__name__] = urlconf
    site.settings.ROOT_URLCONF = urlconf.__name__
