"""
Give schemathesis the OpenAPI document of the project and its application, in this process.

Needs the package schemathesis, 4.10 or later, which is imported when the schema is asked for.
"""

import json
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http.request import split_domain_port, validate_host
from django.urls import get_resolver, get_urlconf

from django_routehandlers.conf import get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.listing.mounts import NOWHERE, find_mounts
from django_routehandlers.openapi.document import build_document
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.table import current_table

if TYPE_CHECKING:
    from schemathesis import BaseSchema

_SECTION = Section("reference/testing", "The OpenAPI document")

# What the document promises of answers. Others judge what no schema can say: that all that fits one is accepted.
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def contract_schema(application: Any = None, *, host: str = "testserver") -> "BaseSchema":
    """
    Return what ``@schema.parametrize()`` makes tests of, one for each operation of the OpenAPI document.

    Args:
        application: What is asked, WSGI or ASGI; ``None`` for Django's WSGI application of these settings.
        host: By which it is asked, one of ``ALLOWED_HOSTS``, to which test runners add ``testserver``.

    Raises:
        ImproperlyConfigured: The host is none of ``ALLOWED_HOSTS``: every answer would be 400.
        RoutesError: There are mistakes in the routes.
    """
    from schemathesis import openapi

    # Test runners add this one, pytest-django when the first test begins.
    if not validate_host(split_domain_port(host)[0], [*settings.ALLOWED_HOSTS, "testserver"]):
        raise documented(
            ImproperlyConfigured(
                f"contract_schema(host={host!r}): ALLOWED_HOSTS is {settings.ALLOWED_HOSTS}, so that every answer "
                "would be 400. Name one of these hosts, or leave host= out."
            ),
            _SECTION,
        )
    table = current_table()
    if table.errors:
        raise table.refusal()
    found = build_document(table, find_mounts(get_resolver(get_urlconf())) or (NOWHERE,), get_config())
    _read_lines()
    schema = openapi.from_dict(json.loads(encode_json(found)))
    schema.app = _asked_by(host, WSGIHandler() if application is None else application)
    config: Any = schema.config
    config.checks.update(included_check_names=[*_CHECKS])
    config.update(base_url=f"http://{host}")
    return schema


def _asked_by(host: str, application: Any) -> Any:
    """Return an application that is asked by *host*: schemathesis asks those of WSGI by ``localhost``."""
    if iscoroutinefunction(application) or iscoroutinefunction(type(application).__call__):
        return application

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        return application({**environ, "HTTP_HOST": host}, start_response)

    return answer


def _read_lines() -> None:
    """Tell schemathesis how to write NDJSON: it has bytes, or any text, for it."""
    from schemathesis import serializer

    @serializer("application/x-ndjson", "application/jsonl")
    def lines(context: Any, value: Any) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
