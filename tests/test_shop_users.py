"""Users of the demo shop: sessions, API keys, tokens and permissions, over WSGI, ASGI and the engine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import Settings

from shop.api_keys import make_key
from shop.models import ApiKey
from shop_server import SERVE, running_shop

SESSION = 'Cookie cookie-name="sessionid"'
API_KEY = 'APIKey in="header", name="X-API-Key"'
INVALID = 'Bearer error="invalid_token"'
OPENED = ("/api/session", "/api/partners/account", "/api/apps/account", "/api/managers/shelves")
PASSWORD = "correct horse battery"
NOW = timezone.now


class Browser:
    """A client that keeps its cookies, on one kind of server."""

    def __init__(self, kind: str) -> None:
        self.client: Any = Client() if kind == "WSGI" else AsyncClient()

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        options = {"data": b"" if body is None else json.dumps(body), "content_type": "application/json"}
        if isinstance(self.client, Client):
            return self.client.generic(method, path, headers=fields, **options)
        return async_to_sync(self._ask)(method, path, headers=fields, **options)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        return await self.client.generic(method, path, **options)


Ask = Callable[..., Any]


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest, db: None) -> Browser:
    """Ask the shop, filled anew."""
    call_command("fill_shop", reset=True, verbosity=0)
    cache.clear()
    return Browser(request.param)


@pytest.fixture
def ada(db: None, settings: Settings) -> User:
    """Somebody with a password."""
    # As good as any other for these tests, and a thousand times as fast.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user("ada", password=PASSWORD)


def told(response: Any) -> tuple[int, str | None]:
    return response.status_code, response.headers.get("WWW-Authenticate")


def token(key: str = "2026-11", algorithm: str = "HS256", **claims: Any) -> str:
    said = {"sub": "ada", "iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE, "exp": NOW() + timedelta(minutes=5)}
    whole = {name: value for name, value in (said | claims).items() if value is not None}
    secret = settings.JWT_KEYS.get(key, "a-key-of-somebody-else-that-is-long-enough")
    return jwt.encode(whole, None if algorithm == "none" else secret, algorithm, headers={"kid": key})  # type: ignore[arg-type]


def test_who_logs_in_is_known_until_logging_out(ask: Ask, ada: User) -> None:
    assert told(ask("GET", "/api/session")) == (401, SESSION)
    login = ask("POST", "/api/session", {"username": "ada", "password": PASSWORD})
    assert (login.status_code, login.json()) == (201, {"username": "ada"})
    assert (login.cookies["sessionid"]["httponly"], login.cookies["sessionid"]["samesite"]) == (True, "Lax")
    who = ask("GET", "/api/session")
    assert (who.json(), "private" in who.headers["Cache-Control"]) == ({"username": "ada"}, True)
    assert ask("DELETE", "/api/session").status_code == 204
    assert told(ask("GET", "/api/session")) == (401, SESSION)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "ada", "password": "wrong"}, 401),
        ({"username": "eve", "password": PASSWORD}, 401),
        ({"username": "ada"}, 422),
    ],
)
def test_a_login_that_fails_says_not_which_half_is_wrong_and_never_the_password(
    ask: Ask, ada: User, body: dict[str, str], status: int
) -> None:
    response = ask("POST", "/api/session", body)
    assert (response.status_code, response.cookies.get("sessionid")) == (status, None)
    assert PASSWORD.encode() not in response.content
    if status == 401:
        assert (response.json()["detail"], told(response)[1]) == ("The name or the password is wrong.", SESSION)


def test_logging_in_changes_the_session_and_the_csrf_token(ask: Any, ada: User) -> None:
    """Session fixation: who knew the session of before the login is not logged in."""
    session = ask.client.session
    session["basket"] = [1]
    session.save()
    before = session.session_key
    login = ask("POST", "/api/session", {"username": "ada", "password": PASSWORD})
    after = login.cookies["sessionid"].value
    assert (after != before, ask.client.session["basket"], "csrftoken" in login.cookies) == (True, [1], True)
    ask.client.cookies["sessionid"] = before
    assert told(ask("GET", "/api/session")) == (401, SESSION)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 201),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_no_other_site_logs_anybody_in(ask: Ask, ada: User, fields: dict[str, str], status: int) -> None:
    """Invariant 59."""
    assert ask("POST", "/api/session", {"username": "ada", "password": PASSWORD}, **fields).status_code == status


def test_a_key_opens_the_folder_of_partners_and_says_who_asks(ask: Ask) -> None:
    key = settings.DEMO_API_KEY
    account = ask("GET", "/api/partners/account", X_API_Key=key)
    assert (account.status_code, account.json()) == (200, {"username": "partner"})
    prices = [ask("GET", "/api/partners/prices", X_API_Key=key) for _ in range(2)]
    assert [one.json()[0] for one in prices] == [{"slug": "ash-box", "price": "31.41"}] * 2
    assert all("private" in one.headers["Cache-Control"] for one in prices)
    for path in ("/api/partners/account", "/api/partners/prices"):
        assert told(ask("GET", path)) == (401, API_KEY)
        assert told(ask("POST", path, X_API_Key=f"{key}!")) == (401, API_KEY)


def test_a_key_is_kept_as_a_digest_and_opens_nothing_once_it_is_revoked(ask: Ask, ada: User) -> None:
    key = make_key(ada, "a program")
    row = ApiKey.objects.get(user=ada)
    assert (key in str(vars(row)), row.last_used) == (False, None)
    assert ask("GET", "/api/partners/account", X_API_Key=key).json() == {"username": "ada"}
    row.refresh_from_db()
    first = row.last_used
    assert first is not None
    ask("GET", "/api/partners/account", X_API_Key=key)
    row.refresh_from_db()
    assert row.last_used == first
    for change in ({"revoked": NOW()}, {}):
        ApiKey.objects.filter(pk=row.pk).update(**{"revoked": None, **change})
        User.objects.filter(pk=ada.pk).update(is_active=bool(change))
        assert told(ask("GET", "/api/partners/account", X_API_Key=key)) == (401, API_KEY)


def test_a_token_opens_the_folder_of_apps_and_says_who_asks(ask: Ask, ada: User) -> None:
    late = token(exp=NOW() - timedelta(seconds=5))
    for one in (token(), token("2026-10"), token(aud=[settings.JWT_AUDIENCE, "other"]), late):
        response = ask("GET", "/api/apps/account", Authorization=f"bearer {one}")
        assert (response.status_code, response.json()) == (200, {"username": "ada"})
        assert "private" in response.headers["Cache-Control"]
    assert told(ask("GET", "/api/apps/account")) == (401, "Bearer")


def test_a_token_that_is_not_good_opens_nothing(ask: Ask, ada: User) -> None:
    """RFC 6750, section 3.1; RFC 8725, section 3."""
    bad = {
        "is no token": "abc",
        "is empty": "",
        "is not signed": token(algorithm="none"),
        "is signed in another way": token(algorithm="HS512"),
        "is signed by somebody else": token("2020-01"),
        "has expired": token(exp=NOW() - timedelta(seconds=30)),
        "never expires": token(exp=None),
        "is not good yet": token(nbf=NOW() + timedelta(minutes=1)),
        "is for others": token(aud="other"),
        "is for nobody": token(aud=None),
        "is from others": token(iss="https://evil.example"),
        "is from nobody": token(iss=None),
        "is nobody's": token(sub=None),
        "is a stranger's": token(sub="eve"),
        "is changed": token()[:-4] + "AAAA",
    }
    for why, one in bad.items():
        assert told(ask("GET", "/api/apps/account", Authorization=f"Bearer {one}")) == (401, INVALID), why


def test_a_permission_opens_the_folder_of_managers(ask: Any, ada: User) -> None:
    """401: say who you are. 403: you are known, and may not."""
    path = "/api/managers/shelves"
    assert told(ask("GET", path)) == (401, SESSION)
    ask("POST", "/api/session", {"username": "ada", "password": PASSWORD})
    assert told(ask("GET", path)) == (403, None)
    ada.user_permissions.add(Permission.objects.get(codename="change_product"))
    response = ask("GET", path)
    assert (response.status_code, "private" in response.headers["Cache-Control"]) == (200, True)


def test_the_document_says_which_folder_is_opened_by_what(ask: Ask) -> None:
    document = ask("GET", "/openapi.json").json()
    paths = ("/api/session", "/api/partners/prices", "/api/apps/account", "/api/managers/shelves", "/api/stock/low")
    needed = [document["paths"][path]["get"]["security"] for path in paths]
    assert needed == [[{"session": []}], [{"X-API-Key": []}], [{"bearer": []}], [{"sessionid": []}], [{"bearer_2": []}]]


@pytest.mark.servers
def test_users_are_known_on_the_engine_too(tmp_path: Path) -> None:
    """Invariant 48."""
    with running_shop(tmp_path, debug=False) as url:
        environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}"}
        name = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_EMAIL": "", "DJANGO_SUPERUSER_USERNAME": "ada"}
        command = [sys.executable, str(SERVE.parent / "manage.py"), "createsuperuser", "--noinput"]
        subprocess.run(command, env=environment | name, check=True, capture_output=True)
        with httpx.Client(base_url=url) as browser:
            statuses = [browser.get(path).status_code for path in OPENED]
            login = browser.post("/api/session", json={"username": "ada", "password": PASSWORD})
            fields = {"X-API-Key": settings.DEMO_API_KEY, "Authorization": f"Bearer {token()}"}
            found = [browser.get(path, headers=fields) for path in OPENED]
            logout = browser.delete("/api/session")
            after = browser.get("/api/session")
    assert (statuses, login.status_code, logout.status_code, after.status_code) == ([401] * 4, 201, 204, 401)
    assert [one.status_code for one in found] == [200] * 4
    assert [one.json() for one in found[:3]] == [{"username": name} for name in ("ada", "partner", "ada")]
