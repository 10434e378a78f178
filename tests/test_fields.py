"""Header fields and cookies as parameters, and the user."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from conftest import Site

HEAD = """
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from django_routehandlers import Cookie, Header


"""


def ask(site: Site, annotation: str, headers: dict[str, str], name: str = "x_plan") -> tuple[int, Any]:
    site.serve({"echo/route.py": f"{HEAD}async def GET({name}: {annotation}):\n    return {{'value': repr({name})}}\n"})
    response = site.client.get("/echo", headers=headers)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("annotation", "headers", "value"),
    [
        ("Annotated[str, Header()]", {"X-Plan": "gold"}, "'gold'"),
        ("Annotated[str, Header()]", {"x-plan": ""}, "''"),
        ("Annotated[int, Header()]", {"X-Plan": "7"}, "7"),
        ("Annotated[str, Header('X-Tier')]", {"X-Tier": "a"}, "'a'"),
        ("Annotated[str, Field(alias='X-Rank'), Header()]", {"X-Rank": "a"}, "'a'"),
        ("Annotated[str, Header('Content-Type')]", {"Content-Type": "text/plain"}, "'text/plain'"),
        ("Annotated[str | None, Header()] = None", {}, "None"),
        ("Annotated[str, Header()] = 'free'", {}, "'free'"),
        ("Annotated[str | None, Header('Content-Type')] = None", {}, "None"),
        ("Annotated[list[str], Header()]", {"X-Plan": 'a, "b, c",, d'}, "['a', '\"b, c\"', 'd']"),
        ("Annotated[list[int], Header()]", {"X-Plan": "1,2"}, "[1, 2]"),
        ("Annotated[int, Field(ge=1), Header()]", {"X-Plan": "1"}, "1"),
    ],
)
def test_a_header_field_is_converted_to_its_annotation(
    site: Site, annotation: str, headers: dict[str, str], value: str
) -> None:
    assert ask(site, annotation, headers) == (200, {"value": value})


@pytest.mark.parametrize(
    ("annotation", "headers", "parameter", "kind"),
    [
        ("Annotated[str, Header()]", {}, "X-Plan", "missing"),
        ("Annotated[str | None, Header()]", {}, "X-Plan", "missing"),
        ("Annotated[int, Header('X-Tier')]", {"X-Tier": "x"}, "X-Tier", "int_parsing"),
        ("Annotated[int, Field(ge=1), Header()]", {"X-Plan": "0"}, "X-Plan", "greater_than_equal"),
        ("Annotated[list[int], Header()]", {"X-Plan": "1,x"}, "X-Plan", "int_parsing"),
        ("Annotated[list[int], Header()]", {}, "X-Plan", "missing"),
    ],
)
def test_a_header_field_that_does_not_fit_is_a_422_that_names_it(
    site: Site, annotation: str, headers: dict[str, str], parameter: str, kind: str
) -> None:
    status, problem = ask(site, annotation, headers)

    (entry,) = problem["errors"]
    assert (status, entry["in"], entry["parameter"], entry["type"]) == (422, "header", parameter, kind)


@pytest.mark.parametrize(
    ("annotation", "cookie", "status", "value"),
    [
        ("Annotated[str, Cookie()]", "theme=dark", 200, "'dark'"),
        ("Annotated[UUID | None, Cookie()] = None", "", 200, "None"),
        ("Annotated[int, Cookie('last-id')]", "last-id=3", 200, "3"),
        ("Annotated[int, Cookie()]", "theme=x", 422, None),
        ("Annotated[int, Cookie()]", "", 422, None),
    ],
)
def test_a_cookie_is_a_parameter(site: Site, annotation: str, cookie: str, status: int, value: str | None) -> None:
    found, answer = ask(site, annotation, {"Cookie": cookie}, name="theme")

    assert (found, answer.get("value")) == (status, value)


USERS = """
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.base_user import AbstractBaseUser


async def GET(user: {annotation}):
    return {{"user": None if user is None else user.get_username()}}


def POST(user: {annotation}):
    return {{"user": None if user is None else user.get_username()}}
"""


@pytest.fixture
def users(site: Site) -> Site:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "django.contrib.sessions"]
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    return site


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("annotation", ["User", "AbstractBaseUser", "User | None", "User | AnonymousUser", "object()"])
def test_user_is_the_user_of_the_session(users: Site, annotation: str, method: str) -> None:
    users.serve({"me/route.py": USERS.format(annotation=annotation).replace(": object()", "")})
    users.client.force_login(User.objects.create_user("ada"))

    response = getattr(users.client, method)("/me")

    assert (response.status_code, response.json()) == (200, {"user": "ada"})


@pytest.mark.django_db(transaction=True)
def test_user_is_the_user_of_the_session_under_asgi(users: Site) -> None:
    users.serve({"me/route.py": USERS.format(annotation="User")})
    users.async_client.force_login(User.objects.create_user("ada"))

    assert async_to_sync(users.async_client.get)("/me").json() == {"user": "ada"}
    assert async_to_sync(users.async_client.post)("/me").json() == {"user": "ada"}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("annotation", "status", "answer"),
    [
        ("User", 401, {"type": "about:blank", "title": "Unauthorized", "status": 401}),
        ("AbstractBaseUser", 401, {"type": "about:blank", "title": "Unauthorized", "status": 401}),
        ("User | None", 200, {"user": None}),
        ("User = None", 200, {"user": None}),
        ("User | AnonymousUser", 200, {"user": ""}),
    ],
)
def test_anonymous_clients_are_401_where_the_annotation_is_the_user_model(
    users: Site, annotation: str, status: int, answer: object, method: str
) -> None:
    users.serve({"me/route.py": USERS.format(annotation=annotation)})

    response = getattr(users.client, method)("/me")

    assert (response.status_code, response.json()) == (status, answer)
    challenge = 'Cookie cookie-name="sessionid"' if status == 401 else None
    assert response.headers.get("WWW-Authenticate") == challenge


def test_a_client_without_a_user_is_refused_before_its_body_is_read(users: Site) -> None:
    users.serve(
        {
            "me/route.py": """
                from django.contrib.auth.models import User


                async def POST(user: User, body: dict):
                    return body
                """
        }
    )

    assert users.client.generic("POST", "/me", b"{", "application/json").status_code == 401


@pytest.mark.django_db
def test_a_session_that_is_gone_is_an_anonymous_client(users: Site) -> None:
    users.serve({"me/route.py": USERS.format(annotation="User")})
    users.client.cookies["sessionid"] = SessionStore().session_key or "gone"

    assert users.client.get("/me").status_code == 401


def test_a_middleware_of_the_project_may_set_the_user(users: Site) -> None:
    """Token authentication commonly sets ``request.user`` and knows nothing of ``auser()``."""
    (users.root / f"{users.name}_tokens.py").write_text(
        "from django.contrib.auth.models import User\n"
        "def middleware(get_response):\n"
        "    def answer(request):\n"
        "        request.user = User(username='grace')\n"
        "        return get_response(request)\n"
        "    return answer\n"
    )
    users.settings.MIDDLEWARE = [f"{users.name}_tokens.middleware"]
    users.serve({"me/route.py": USERS.format(annotation="User")})

    assert users.client.get("/me").json() == {"user": "grace"}
    assert users.client.post("/me").json() == {"user": "grace"}
    assert users.mistakes() == [
        ("W048", f"{users.name}/routes/me/route.py:5"),
        ("W048", f"{users.name}/routes/me/route.py:9"),
    ]
