"""Decorators that ask for a login or a permission, on handlers of both kinds, under WSGI and ASGI."""

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType

from conftest import Site

KINDS = pytest.mark.parametrize("kind", ["async def", "def"])
IMPORTS = """from functools import wraps
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.models import User
from django_routehandlers import Problem

def strict(handler):
    @wraps(handler)
    def guarded(request, *args, **kwargs):
        if not request.user.is_authenticated:
            raise Problem(401)
        return handler(request, *args, **kwargs)
    return guarded

security = {"type": "apiKey", "in": "cookie", "name": "sessionid"}

"""
DECORATORS = {
    "login": "@login_required",
    "permission": '@permission_required("auth.view_user")',
    "refused": '@permission_required("auth.view_user", raise_exception=True)',
    "test": "@user_passes_test(lambda user: user.is_staff)",
    "own": "@strict",
    "both": '@permission_required("auth.view_user", raise_exception=True)',
}


@pytest.fixture
def users(site: Site, db: None) -> Site:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "django.contrib.sessions"]
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    return site


def told(response: Any) -> tuple[int, str]:
    """Return the status, and where or what the client is asked for; the value of the handler where it has run."""
    if response.status_code == 200:
        return 200, response.json()
    fields = response.headers
    return response.status_code, fields.get("Location", fields.get("WWW-Authenticate", "")).partition("=/")[0]


@KINDS
def test_who_is_let_in(users: Site, kind: str) -> None:
    handler = f"\n{kind} GET(request, number: int = 1):\n    return number\n"
    files = {f"{name}/route.py": IMPORTS + decorator + handler for name, decorator in DECORATORS.items()}
    files["both/route.py"] = files["both/route.py"].replace("number: int", "user: User, number: int")
    users.serve(files)
    assert users.mistakes() == []
    ada = User.objects.create_user("ada")
    clerk = User.objects.create_user("clerk", is_staff=True)
    kind_of = ContentType.objects.get_for_model(User)
    clerk.user_permissions.add(Permission.objects.get(codename="view_user", content_type=kind_of))
    login, asks = (302, "/accounts/login/?next"), (401, 'Cookie cookie-name="sessionid"')
    refused, done = (403, ""), (200, 2)
    expected = {
        "login": (login, done, done),
        "permission": (login, login, done),
        "refused": (refused, refused, done),
        "test": (login, login, done),
        "own": (asks, done, done),
        "both": (asks, refused, done),
    }
    found: dict[str, list[Any]] = {name: [] for name in DECORATORS}
    for user in (None, ada, clerk):
        if user is not None:
            users.client.force_login(user)
        for name in DECORATORS:
            found[name].append(told(users.client.get(f"/{name}?number=2")))
    assert {name: tuple(answers) for name, answers in found.items()} == expected


@KINDS
def test_under_asgi_anonymous_clients_are_answered_the_same(users: Site, kind: str) -> None:
    handler = f"\n{kind} GET(request, number: int = 1):\n    return number\n"
    users.serve({f"{name}/route.py": IMPORTS + DECORATORS[name] + handler for name in ("login", "refused")})

    async def ask() -> list[tuple[int, str]]:
        return [told(await users.async_client.get(f"/{name}")) for name in ("login", "refused")]

    assert asyncio.run(ask()) == [(302, "/accounts/login/?next"), (403, "")]
