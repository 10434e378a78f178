"""Values and files of forms as parameters, for every method that has content."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from conftest import Site

FORM = """
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from django.core.files.uploadedfile import UploadedFile
from pydantic import AfterValidator, BaseModel, Field

from django_routehandlers import Form


class Login(BaseModel):
    name: Annotated[str, Field(min_length=1)]
    tags: list[str] = []
    remember: bool = False


def _small(file: UploadedFile) -> UploadedFile:
    if file.size > 10:
        raise ValueError("a file has at most 10 bytes")
    return file


Small = Annotated[UploadedFile, AfterValidator(_small)]


def _shown(value):
    if isinstance(value, UploadedFile):
        return [value.name, value.content_type, value.read().decode()]
    return [_shown(item) for item in value] if isinstance(value, list) else value


"""
URLENCODED = "application/x-www-form-urlencoded"


def send(site: Site, parameters: str, content: bytes, content_type: str, method: str = "POST") -> tuple[int, Any]:
    names = ", ".join(f'"{part.split(":")[0].strip()}"' for part in parameters.split("; "))
    handler = f"async def {method}({parameters.replace('; ', ', ')}):\n    values = locals()\n"
    body = f"    return {{name: _shown(values[name]) for name in ({names},)}}\n"
    site.serve({"form/route.py": FORM + handler + body})
    response = site.client.generic(method, "/form", content, content_type)
    return response.status_code, response.json()


def multipart(**values: object) -> bytes:
    return encode_multipart(BOUNDARY, values)


METHODS = ["POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", METHODS)
def test_values_of_an_urlencoded_form_are_converted(site: Site, method: str) -> None:
    parameters = "name: Annotated[str, Form()]; day: Annotated[date, Form()]; page: Annotated[int, Form('p')] = 1"

    answer = send(site, parameters, b"name=Oak+Table&day=2026-01-02", URLENCODED, method)

    assert answer == (200, {"name": "Oak Table", "day": "2026-01-02", "page": 1})


@pytest.mark.parametrize("method", METHODS)
def test_values_and_files_of_a_multipart_form_are_parameters(site: Site, method: str) -> None:
    content = multipart(title="Oak", photo=SimpleUploadedFile("oak.txt", b"oak!", "text/plain"))

    answer = send(site, "title: Annotated[str, Form()]; photo: UploadedFile", content, MULTIPART_CONTENT, method)

    assert answer == (200, {"title": "Oak", "photo": ["oak.txt", "text/plain", "oak!"]})


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_forms_are_read_under_asgi(site: Site, method: str) -> None:
    site.serve({"form/route.py": FORM + f"async def {method}(photo: UploadedFile):\n    return _shown(photo)\n"})
    values = {"photo": SimpleUploadedFile("oak.txt", b"oak!", "text/plain")}

    if method == "POST":
        response = async_to_sync(site.async_client.post)("/form", values)
    else:
        response = async_to_sync(site.async_client.put)("/form", multipart(**values), MULTIPART_CONTENT)

    assert response.json() == ["oak.txt", "text/plain", "oak!"]


@pytest.mark.parametrize(
    ("parameters", "values", "answer"),
    [
        ("tags: Annotated[list[str], Form()]", {"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
        ("tags: Annotated[list[int], Form()] = []", {}, {"tags": []}),
        ("photo: UploadedFile | None = None", {}, {"photo": None}),
        (
            "photo: Annotated[UploadedFile, Form('picture')]",
            {"picture": SimpleUploadedFile("a", b"a", "text/plain")},
            {"photo": ["a", "text/plain", "a"]},
        ),
        (
            "photo: Annotated[UploadedFile, Field(alias='picture')]",
            {"picture": SimpleUploadedFile("a", b"a", "text/plain")},
            {"photo": ["a", "text/plain", "a"]},
        ),
        (
            "photos: list[Small]",
            {"photos": [SimpleUploadedFile("a", b"a", "text/plain")]},
            {"photos": [["a", "text/plain", "a"]]},
        ),
        ("body: Annotated[str, Form()]", {"body": "b"}, {"body": "b"}),
        ("user: Annotated[str, Form()]", {"user": "u"}, {"user": "u"}),
        ("name: Annotated[str, Field(alias='full-name'), Form()]", {"full-name": "Ada"}, {"name": "Ada"}),
        (
            "login: Annotated[Login, Form()]",
            {"name": "ada", "tags": ["a"], "remember": "on"},
            {"login": {"name": "ada", "tags": ["a"], "remember": True}},
        ),
    ],
)
def test_form_parameters(site: Site, parameters: str, values: dict[str, object], answer: object) -> None:
    assert send(site, parameters, multipart(**values), MULTIPART_CONTENT) == (200, answer)


def test_several_files_of_one_name_are_a_list(site: Site) -> None:
    files = [SimpleUploadedFile(f"{name}.txt", name.encode(), "text/plain") for name in "ab"]

    answer = send(site, "photos: list[UploadedFile]", multipart(photos=files), MULTIPART_CONTENT)

    assert answer == (200, {"photos": [["a.txt", "text/plain", "a"], ["b.txt", "text/plain", "b"]]})


@pytest.mark.parametrize(
    ("parameters", "values", "entry"),
    [
        ("name: Annotated[str, Form()]", {}, ("form", "name", "missing")),
        ("age: Annotated[int, Form()]", {"age": "old"}, ("form", "age", "int_parsing")),
        ("name: Annotated[str, Form()]", {"name": "a\0b"}, ("form", "name", "string_nul")),
        ("photo: UploadedFile", {}, ("file", "photo", "missing")),
        ("photo: UploadedFile", {"photo": "text"}, ("file", "photo", "missing")),
        ("photo: Small", {"photo": SimpleUploadedFile("a", b"x" * 11)}, ("file", "photo", "value_error")),
        ("photo: list[Small]", {"photo": SimpleUploadedFile("a", b"x" * 11)}, ("file", "photo", "value_error")),
        ("login: Annotated[Login, Form()]", {"name": ""}, ("form", "name", "string_too_short")),
        ("login: Annotated[Login, Form()]", {}, ("form", "name", "missing")),
    ],
)
def test_form_parameters_that_do_not_fit_are_422(
    site: Site, parameters: str, values: dict[str, object], entry: tuple[str, str, str]
) -> None:
    status, problem = send(site, parameters, multipart(**values), MULTIPART_CONTENT)

    (found,) = problem["errors"]
    assert (status, found["in"], found["parameter"], found["type"]) == (422, *entry)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_other_media_types_than_forms_are_415(site: Site, content_type: str) -> None:
    site.serve({"form/route.py": FORM + "async def POST(name: Annotated[str, Form()]):\n    return name\n"})

    response = site.client.generic("POST", "/form", b"name=a", content_type)

    accept = "application/x-www-form-urlencoded, multipart/form-data"
    assert (response.status_code, response.headers["Accept"]) == (415, accept)


@pytest.mark.parametrize("charset", ["hex", "punycode", "idna", "utf-16", "utf-7", "latin-1", "no-such"])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_form_in_another_charset_than_utf_8_is_415(site: Site, method: str, kind: str, charset: str) -> None:
    """Python has codecs that fail, or that take quadratic time."""
    content_type = f"{kind}; charset={charset}"
    assert send(site, "name: Annotated[str, Form()]", b"name=a", content_type, method)[0] == 415


def test_a_form_whose_values_all_have_defaults_may_be_absent(site: Site) -> None:
    assert send(site, "name: Annotated[str, Form()] = 'none'", b"", "") == (200, {"name": "none"})


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=", 400),
        (b"name=a&" * 20, URLENCODED, 400),
        (b"name=" + b"a" * 3000, URLENCODED, 413),
        (multipart(name="a" * 3000), MULTIPART_CONTENT, 413),
        (multipart(**{f"f{n}": SimpleUploadedFile("a", b"a") for n in range(4)}), MULTIPART_CONTENT, 413),
        (multipart(**{f"f{n}": "a" for n in range(20)}), MULTIPART_CONTENT, 400),
    ],
    ids=["no boundary", "empty boundary", "fields", "size", "size, multipart", "files", "fields, multipart"],
)
def test_forms_beyond_the_limits_are_problems(
    site: Site, content: bytes, content_type: str, status: int, method: str
) -> None:
    """Invariant 50."""
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2000
    site.settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
    site.settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3

    assert send(site, "name: Annotated[str, Form()]", content, content_type, method)[0] == status


def test_a_form_that_middleware_has_read_is_read_all_the_same(site: Site) -> None:
    (site.root / f"{site.name}_reads.py").write_text(
        "def middleware(get_response):\n"
        "    def answer(request):\n"
        "        request.POST\n"
        "        return get_response(request)\n"
        "    return answer\n"
    )
    site.settings.MIDDLEWARE = [f"{site.name}_reads.middleware"]
    site.serve(
        {
            f"{method}/route.py": FORM + f"async def {method}(name: Annotated[str, Form()]):\n    return name\n"
            for method in ("POST", "PUT")
        }
    )

    for method in ("POST", "PUT"):
        assert site.client.generic(method, f"/{method}", b"name=a", URLENCODED).json() == "a"


def test_a_handler_sees_its_own_method(site: Site) -> None:
    site.serve(
        {
            "form/route.py": FORM
            + "async def PUT(request, name: Annotated[str, Form()]):\n    return [request.method, name]\n"
        }
    )

    assert site.client.generic("PUT", "/form", b"name=a", URLENCODED).json() == ["PUT", "a"]
