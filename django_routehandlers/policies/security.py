"""
Say how clients prove who they are: what a document says of it, and what a 401 asks for.

A scheme is an OpenAPI Security Scheme Object (OpenAPI 3.1, section 4.8.27), as a dict. Challenges are
those of RFC 9110, section 11.6.1.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Scheme = Mapping[str, Any]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTABLE = re.compile(r"[\t\x20-\x7e]*")
_NEEDED: Mapping[str, Mapping[str, type]] = {
    "apiKey": {"name": str, "in": str},
    "http": {"scheme": str},
    "mutualTLS": {},
    "oauth2": {"flows": Mapping},
    "openIdConnect": {"openIdConnectUrl": str},
}
"""Type of a scheme → the members that it has to have."""
_OTHERS = {"http": ("bearerFormat",)}
REALM = "x-realm"
"""Member that names the realm of a challenge, for which OpenAPI has no name."""


def what_is_wrong(value: object) -> str | None:
    """Return what is wrong with *value* as a scheme; ``None`` where nothing is."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in cast("Mapping[Any, Any]", value)):
        return "It is a Security Scheme Object of OpenAPI, as a dict, or None."
    scheme = cast("Scheme", value)
    kind: object = scheme.get("type")
    if not isinstance(kind, str) or kind not in _NEEDED:
        return f"Its type is one of {', '.join(_NEEDED)}, not {kind!r}."
    needed = _NEEDED[kind]
    for name, of in needed.items():
        if not isinstance(scheme.get(name), of) or not scheme[name]:
            return f"One of the type {kind} has to have {name!r}."
    known = {"type", "description", *needed, *_OTHERS.get(kind, ())}
    for name in scheme:
        if name not in known and not name.startswith("x-"):
            return f"One of the type {kind} has no {name!r}."
    return _wrong_text(kind, scheme)


def _wrong_text(kind: str, scheme: Scheme) -> str | None:
    if kind == "apiKey" and scheme["in"] not in ("header", "cookie", "query"):
        return f"The key is in a header, a cookie or the query, not in {scheme['in']!r}."
    named = {"apiKey": "name", "http": "scheme"}.get(kind)
    if named is not None and scheme.get("in") != "query" and not _TOKEN.fullmatch(scheme[named]):
        return f"Its {named} is {scheme[named]!r}, which HTTP cannot send (RFC 9110, section 5.6.2)."
    if kind == "apiKey" and not _QUOTABLE.fullmatch(scheme["name"]):
        return f"Its name is {scheme['name']!r}. It is text of ASCII, which the 401 names."
    realm: object = scheme.get(REALM, "")
    if not isinstance(realm, str) or not _QUOTABLE.fullmatch(realm):
        return f"Its {REALM} is {realm!r}. It is text of ASCII."
    return None


def challenge_of(scheme: Scheme, realm: str) -> str | None:
    """
    Return what ``WWW-Authenticate`` asks for; ``None`` where no challenge can say it.

    Args:
        realm: The one of schemes that have to have one and name none.
    """
    own: str | None = scheme.get(REALM)
    write: Callable[[Scheme, str | None, str], str | None] = {"apiKey": _key, "http": _http}.get(
        scheme["type"], _bearer if scheme["type"] in ("oauth2", "openIdConnect") else _nothing
    )
    return write(scheme, own, realm)


def _nothing(scheme: Scheme, own: str | None, realm: str) -> None:
    """Say nothing: a certificate is no matter of HTTP."""


def _bearer(scheme: Scheme, own: str | None, realm: str) -> str:
    # RFC 6750, section 3: a token of either is a bearer token.
    return _with("Bearer", {"realm": own})


def _http(scheme: Scheme, own: str | None, realm: str) -> str | None:
    match scheme["scheme"].lower():
        case "basic":
            # RFC 7617, section 2: it has to have a realm, and the charset can only be this one.
            return _with("Basic", {"realm": realm if own is None else own, "charset": "UTF-8"})
        case "bearer":
            return _bearer(scheme, own, realm)
        case "digest":
            # RFC 7616, section 3.3: it has to have a nonce, which only who checks it can make.
            return None
        case _:
            return _with(scheme["scheme"], {"realm": own})


def _key(scheme: Scheme, own: str | None, realm: str) -> str:
    # Neither name is registered: "Cookie" is that of an expired draft (draft-broyer-http-cookie-auth-00), "APIKey"
    # that of other frameworks. What is not known is passed over (RFC 9110, section 11.6.1).
    if scheme["in"] == "cookie":
        return _with("Cookie", {"realm": own, "cookie-name": scheme["name"]})
    return _with("APIKey", {"realm": own, "in": scheme["in"], "name": scheme["name"]})


def _with(scheme: str, parameters: Mapping[str, str | None]) -> str:
    said = [f"{name}={_quoted(value)}" for name, value in parameters.items() if value is not None]
    return f"{scheme} {', '.join(said)}" if said else scheme


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def realm_of(title: object) -> str:
    """Return the realm that is named after the project: *title* as far as a field can say it, else ``API``."""
    text = str(title)
    return text if text and _QUOTABLE.fullmatch(text) else "API"


def name_of(scheme: Scheme) -> str:
    """Return the name that a document gives to a scheme, by itself."""
    own: Mapping[str, str] = {"apiKey": "name", "http": "scheme"}
    name: str = scheme[own[scheme["type"]]] if scheme["type"] in own else scheme["type"]
    # OpenAPI 3.1, section 4.8.7.1.
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
