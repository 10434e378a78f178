"""Which unsafe requests pass: a table of fields that browsers and other clients send."""

from typing import Any

import pytest
from django.test import Client

from conftest import Site
from django_routehandlers.policies.csrf import refused_origin

OTHER_ORIGIN = "The request comes from another origin, which is not trusted."
OTHER_SITE = "The request comes from another site."
OWN = "https://shop.example"
TRUSTED = ["https://app.example", "https://*.partner.example", "http://localhost:3000"]


@pytest.mark.parametrize(
    ("fetch_site", "origin", "refused"),
    [
        (None, None, None),
        ("same-origin", None, None),
        ("none", None, None),
        ("same-origin", "https://evil.example", None),
        ("same-site", None, OTHER_SITE),
        ("cross-site", None, OTHER_SITE),
        ("nonsense", None, OTHER_SITE),
        ("", None, OTHER_SITE),
        (None, "https://shop.example", None),
        (None, "https://shop.example:443", None),
        (None, "HTTPS://SHOP.EXAMPLE", None),
        ("cross-site", "https://app.example", None),
        ("same-site", "https://a.partner.example", None),
        (None, "https://a.b.partner.example", None),
        (None, "http://localhost:3000", None),
        (None, "https://partner.example", None),
        (None, "http://a.partner.example", OTHER_ORIGIN),
        (None, "https://a.partner.example:8443", OTHER_ORIGIN),
        (None, "https://evilpartner.example", OTHER_ORIGIN),
        (None, "https://anypartner.example", OTHER_ORIGIN),
        (None, "http://shop.example", OTHER_ORIGIN),
        (None, "https://shop.example:444", OTHER_ORIGIN),
        (None, "https://shop.example.evil.example", OTHER_ORIGIN),
        (None, "https://evilshop.example", OTHER_ORIGIN),
        (None, "https://shop.example/", OTHER_ORIGIN),
        (None, "https://shop.example?", OTHER_ORIGIN),
        (None, "https://shop.example#", OTHER_ORIGIN),
        (None, "https://shop.example:", OTHER_ORIGIN),
        (None, "https://shop.example:0", OTHER_ORIGIN),
        (None, "\thttps://shop\n.example", OTHER_ORIGIN),
        (None, "https://user@shop.example", OTHER_ORIGIN),
        (None, "https://shop.example@evil.example", OTHER_ORIGIN),
        (None, "https://shop.example, https://evil.example", OTHER_ORIGIN),
        (None, "https://shop.example:99999", OTHER_ORIGIN),
        (None, "https://[::1", OTHER_ORIGIN),
        (None, "null", OTHER_ORIGIN),
        ("cross-site", "null", OTHER_ORIGIN),
        (None, "", OTHER_ORIGIN),
        (None, "https://sh\u00f6p.example", OTHER_ORIGIN),
        (None, "https://" + "a" * 8000, OTHER_ORIGIN),
    ],
)
def test_origin_rule(fetch_site: str | None, origin: str | None, refused: str | None) -> None:
    """Invariants 59 and 81."""
    assert refused_origin(fetch_site, origin, OWN, TRUSTED) == refused


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_unsafe_request_of_another_site_is_a_403_problem(site: Site, method: str) -> None:
    """Invariant 59."""
    site.serve({"x/route.py": f"async def {method}():\n    return 1\n"})

    response = site.client.generic(method, "/x", headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert response.json() == {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": OTHER_SITE}


def test_safe_request_of_another_site_passes(site: Site) -> None:
    site.serve({"x/route.py": "async def GET():\n    return 1\n"})

    for method in ("GET", "HEAD", "OPTIONS"):
        response = site.client.generic(method, "/x", headers={"Origin": "https://evil.example"})
        assert response.status_code in (200, 204)


def test_405_comes_before_the_origin_rule(site: Site) -> None:
    site.serve({"x/route.py": "async def GET():\n    return 1\n"})

    assert site.client.post("/x", headers={"Origin": "https://evil.example"}).status_code == 405


def test_no_token_is_needed_beside_djangos_middleware(site: Site, settings: Any) -> None:
    """Invariant 59: ours stands in for the token, also where the test client enforces it."""
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    site.serve({"x/route.py": "async def POST():\n    return 1\n"})
    client = Client(enforce_csrf_checks=True)

    assert client.post("/x").status_code == 200
    assert client.post("/x", headers={"Origin": "http://testserver"}).status_code == 200
    assert client.post("/x", headers={"Origin": "https://testserver"}).status_code == 403
    assert client.post("/x", headers={"Origin": "https://evil.example"}).status_code == 403


def test_trusted_origins_of_the_settings_pass(site: Site, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    site.serve({"x/route.py": "async def POST():\n    return 1\n"})
    headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}

    assert site.client.post("/x", headers=headers).status_code == 200


def test_host_that_is_not_allowed_is_400(site: Site, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    site.serve({"x/route.py": "async def POST():\n    return 1\n"})

    response = site.client.post("/x", headers={"Host": "evil.example", "Origin": "http://evil.example"})

    assert response.status_code == 400
