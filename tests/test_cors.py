"""The CORS policy on plain values: which origins, which fields, which preflights."""

import re
from typing import Any

import pytest

from django_routehandlers import CORS
from django_routehandlers.policies.cors import Preflight

GOOD = "https://good.com"
POLICY = CORS([GOOD, "http://localhost:3000", "http://[::1]:5173"], origin_regexes=[r"https://[a-z]+\.good\.com"])


@pytest.mark.parametrize(
    "origin", [GOOD, "http://localhost:3000", "http://[::1]:5173", "https://a.good.com", "https://abc.good.com"]
)
def test_origin_is_allowed(origin: str) -> None:
    assert POLICY.allows(origin)
    assert POLICY.fields(origin) == (("Access-Control-Allow-Origin", origin),)


@pytest.mark.parametrize(
    "origin",
    [
        "https://good.com.evil.example",
        "https://evilgood.com",
        "https://a.good.com.evil.example",
        "https://evil.example/https://a.good.com",
        "https://evil.example#.good.com",
        "https://a.good.com:444",
        "https://good.com:444",
        "https://good.com:443",
        "http://good.com",
        "HTTPS://GOOD.COM",
        "https://Good.com",
        "https://good.com/",
        "https://user@good.com",
        "https://good.com\n",
        "https://a.good.com\n",
        "https://good.com, https://evil.example",
        "https://evil.example, https://good.com",
        "https://good.com https://good.com",
        "https://göod.com",
        "https://a.göod.com",
        "https://xn--gdt.good.com.",
        "https://" + "a" * 100_000 + ".evil.example",
        "null",
        "*",
        "",
    ],
)
def test_origin_is_refused_and_told_nothing(origin: str) -> None:
    """Invariants 80 and 81."""
    asked = {"origin": origin, "method": "GET", "headers": "", "private-network": "true"}
    assert not POLICY.allows(origin)
    assert POLICY.fields(origin) == ()
    assert POLICY.preflight(asked, ["GET"]) == Preflight((), "The origin is not allowed.")
    assert not POLICY.admits(origin, has_cookies=False, authorization="")


@pytest.mark.parametrize("pattern", [r".*", r"https?://.*", re.compile(r"(?i).*")])
def test_a_wide_pattern_matches_origins_alone(pattern: Any) -> None:
    """Invariant 81."""
    policy = CORS(origin_regexes=[pattern], credentials=True)
    assert policy.allows("https://any.example:8443")
    for origin in ("null", "", "https://a b", "https://a, https://b", "https://a/b", "https://ä.example"):
        assert not policy.allows(origin)


def test_null_is_allowed_where_it_is_written_out_alone() -> None:
    assert CORS(["null"]).allows("null")
    assert not CORS([GOOD]).allows("null")


@pytest.mark.parametrize("origin", [None, GOOD, "null", "anything"])
def test_everybody_is_told_the_same(origin: str | None) -> None:
    policy = CORS("*", expose_headers=["ETag", "Link"])
    assert policy.fields(origin) == (
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", "ETag, Link"),
    )


def test_credentials_name_the_origin() -> None:
    """Invariant 81."""
    fields = CORS([GOOD], credentials=True, expose_headers=["ETag"]).fields(GOOD)
    assert fields == (
        ("Access-Control-Allow-Origin", GOOD),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "ETag"),
    )


@pytest.mark.parametrize(
    ("arguments", "has_cookies", "authorization", "admitted"),
    [
        ({"origins": [GOOD], "credentials": True}, True, "Basic eA==", True),
        ({"origins": [GOOD]}, False, "", True),
        ({"origins": [GOOD]}, False, "Bearer x", True),
        ({"origins": [GOOD]}, True, "", False),
        ({"origins": [GOOD]}, False, "Basic eA==", False),
        ({"origins": [GOOD]}, False, "NEGOTIATE x", False),
        ({"origins": "*"}, False, "", True),
        ({"origins": "*"}, True, "", False),
        ({"origins": ["https://other.example"], "credentials": True}, False, "", False),
    ],
)
def test_unsafe_requests_with_what_the_browser_adds_need_credentials(
    arguments: dict[str, Any], has_cookies: bool, authorization: str, admitted: bool
) -> None:
    policy = CORS(**arguments)
    assert policy.admits(GOOD, has_cookies=has_cookies, authorization=authorization) is admitted


def preflight(policy: CORS, method: str, headers: str = "", network: str = "") -> tuple[dict[str, str], str | None]:
    asked = {"origin": GOOD, "method": method, "headers": headers, "private-network": network}
    answer = policy.preflight(asked, ["DELETE", "GET", "HEAD"])
    return {name.removeprefix("Access-Control-"): value for name, value in answer.fields}, answer.refusal


@pytest.mark.parametrize(
    ("arguments", "asked", "fields", "refusal"),
    [
        ({}, ("GET",), {}, None),
        ({}, ("DELETE", "Content-Type, AUTHORIZATION"), {}, None),
        ({}, ("PUT",), {}, "The method is not allowed. Allowed are DELETE, GET, HEAD."),
        ({}, ("get",), {}, "The method is not allowed. Allowed are DELETE, GET, HEAD."),
        ({}, ("GET", "x-a, content-type,x-b"), {}, "Fields are not allowed: x-a, x-b."),
        ({"methods": ["PUT"]}, ("PUT",), {"Allow-Methods": "PUT"}, None),
        ({"headers": ["X-A"]}, ("GET", "x-a"), {"Allow-Headers": "x-a"}, None),
        ({"headers": []}, ("GET",), {"Allow-Headers": None}, None),
        ({"headers": "*"}, ("GET", "x-a, authorization"), {"Allow-Headers": "x-a, authorization"}, None),
        ({"headers": "*"}, ("GET", ""), {"Allow-Headers": None}, None),
        ({"headers": "*"}, ("GET", "x-a, b c"), {"Allow-Headers": "x-a"}, "Fields are not allowed: b c."),
        ({"credentials": True}, ("GET",), {"Allow-Credentials": "true"}, None),
        ({"expose_headers": ["ETag"]}, ("GET",), {}, None),
        ({"max_age": 86_400}, ("GET",), {"Max-Age": "7200"}, None),
        ({"max_age": 0}, ("GET",), {"Max-Age": "0"}, None),
        ({}, ("GET", "", "true"), {}, None),
        ({"private_network": True}, ("GET", "", "true"), {"Allow-Private-Network": "true"}, None),
        ({"private_network": True}, ("GET",), {}, None),
    ],
)
def test_preflight(
    arguments: dict[str, Any], asked: tuple[str, ...], fields: dict[str, str | None], refusal: str | None
) -> None:
    """Invariant 83."""
    usual = {
        "Allow-Origin": GOOD,
        "Allow-Methods": "DELETE, GET, HEAD",
        "Allow-Headers": "authorization, content-type",
        "Max-Age": "600",
    }
    expected = {name: value for name, value in {**usual, **fields}.items() if value is not None}
    assert preflight(CORS([GOOD], **arguments), *asked) == (expected, refusal)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, 'CORS(origins=…): nobody is allowed. Name an origin, such as "https://app.example.com".'),
        (
            {"origins": "*", "credentials": True},
            'CORS(origins=…): "*" goes with no credentials: any page could read what is private. List the origins.',
        ),
        ({"origins": GOOD}, f"CORS(origins=…): {GOOD!r} is no list of texts. Write a list, such as "
         '["https://app.example.com"].'),
        ({"origins": ["https://good.com/"]}, f"CORS(origins=…): 'https://good.com/' is not what a browser sends. "
         f"Write {GOOD!r}."),
        ({"origins": ["https://GOOD.com"]}, f"CORS(origins=…): 'https://GOOD.com' is not what a browser sends. "
         f"Write {GOOD!r}."),
        ({"origins": ["https://good.com:443"]}, f"CORS(origins=…): 'https://good.com:443' is not what a browser sends. "
         f"Write {GOOD!r}."),
        ({"origins": ["https://user@good.com"]}, "CORS(origins=…): 'https://user@good.com' is not what a browser "
         f"sends. Write {GOOD!r}."),
        ({"origins": ["good.com"]}, "CORS(origins=…): 'good.com' is no origin. Write scheme, host and port alone: "
         '"https://app.example.com".'),
        ({"origins": ["https://good.com:port"]}, "CORS(origins=…): 'https://good.com:port' is no origin. Write scheme, "
         'host and port alone: "https://app.example.com".'),
        ({"origins": ["https://*.good.com"]}, "CORS(origins=…): 'https://*.good.com' is no origin. Write scheme, host "
         'and port alone: "https://app.example.com".'),
        ({"origins": ["https://bücher.example"]}, "CORS(origins=…): 'https://bücher.example' is not ASCII, and "
         "browsers send xn-- names. Write 'https://xn--bcher-kva.example'."),
        ({"origins": [GOOD, "*"]}, 'CORS(origins=…): "*" stands alone. Write origins="*".'),
        ({"origins": ["null"], "credentials": True}, 'CORS(origins=…): "null" goes with no credentials. Any page can '
         "make a frame of that origin, and read what is private. Leave it out."),
        ({"origin_regexes": ["("]}, "CORS(origin_regexes=…): '(' is no regular expression: missing ), unterminated "
         "subpattern at position 0. Mend it."),
        ({"origin_regexes": "https://.*"}, "CORS(origin_regexes=…): 'https://.*' is no list of texts. Write a list, "
         r'such as [r"https://[a-z]+\.example\.com"].'),
        ({"origins": [GOOD], "methods": ["get"]}, "CORS(methods=…): 'get' is not in capitals, and methods are "
         "case-sensitive. Write 'GET'."),
        ({"origins": [GOOD], "headers": ["x a"]}, "CORS(headers=…): 'x a' is no name. Write [\"content-type\"]."),
        ({"origins": [GOOD], "headers": ["x-a\r\nSet-Cookie"]}, "CORS(headers=…): 'x-a\\r\\nSet-Cookie' is no name. "
         'Write ["content-type"].'),
        ({"origins": [GOOD], "expose_headers": "ETag"}, "CORS(expose_headers=…): 'ETag' is no list of texts. Write a "
         'list, such as ["etag"].'),
        ({"origins": [GOOD], "credentials": "yes"}, "CORS(credentials=…): 'yes' is neither True nor False. Write True "
         "or False."),
        ({"origins": [GOOD], "max_age": -1}, "CORS(max_age=…): -1 is no number of seconds. Write 600, or 0 for answers "
         "that are not kept."),
        ({"origins": [GOOD], "max_age": True}, "CORS(max_age=…): True is no number of seconds. Write 600, or 0 for "
         "answers that are not kept."),
    ],
)  # fmt: skip
def test_argument_that_cannot_be_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        CORS(**arguments)


def test_a_policy_is_a_value() -> None:
    assert CORS([GOOD]) == CORS([GOOD])
    assert repr(CORS([GOOD], max_age=1)).startswith("CORS(origins=['https://good.com'], origin_regexes=()")
