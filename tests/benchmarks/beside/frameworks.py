"""Name what is compared: each with its packages, its server, and how long it warms up."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
UVICORN = ["uvicorn[standard]"]
ORM = ["psycopg[binary,pool]"]
NO_CACHE = "no cache"


@dataclass(frozen=True)
class Framework:
    """One way to do the work."""

    key: str
    title: str
    module: str
    """Of this package, which makes it."""
    environment: str
    """Those of one name share the packages."""
    server: str = "uvicorn"
    """``uvicorn``, ``gunicorn`` or its ``own``."""
    middleware: tuple[int, ...] = (0,)
    """How many: of Django, 7 and 0."""
    warming: int = 2
    """How many rounds each case is asked for before the first that counts."""
    not_many: str = ""
    """Why it is not tried with 10,000 routes."""

    @property
    def is_ours(self) -> bool:
        """Whether it is ours."""
        return self.environment == "ours"


BOTH = (7, 0)
FRAMEWORKS = [
    Framework("ours", "ours", "ours", "ours", middleware=BOTH),
    Framework("ours-stock", "ours, Django's ASGI handler", "ours", "ours", middleware=BOTH),
    Framework("django", "Django", "plain_django", "django", middleware=BOTH),
    Framework("django-wsgi", "Django, WSGI", "plain_django", "django", "gunicorn", BOTH),
    Framework("drf", "REST framework", "rest_framework_views", "drf", middleware=BOTH),
    Framework("drf-wsgi", "REST framework, WSGI", "rest_framework_views", "drf", "gunicorn", BOTH),
    Framework("ninja", "django-ninja", "ninja_api", "ninja", middleware=BOTH),
    Framework("modern-rest", "django-modern-rest", "modern_rest", "modern-rest", middleware=BOTH),
    Framework("bolt", "django-bolt", "bolt_api", "bolt", "own", BOTH),
    Framework("fastapi", "FastAPI", "fastapi_app", "fastapi"),
    # As near to Django's seven as Starlette's own come, without users, messages and CSRF protection.
    Framework("fastapi-sessions", "FastAPI, hosts, sessions", "fastapi_app", "fastapi", middleware=(3,)),
    Framework("litestar", "Litestar", "litestar_app", "litestar"),
    Framework("starlette", "Starlette", "starlette_app", "starlette"),
    # V8 compiles what has run often; CPython 3.11 to 3.14 do not.
    Framework(
        "next",
        "Next.js",
        "next_project",
        "next",
        "own",
        warming=20,
        not_many="next build would take longer than all the rest",
    ),
]


def packages() -> dict[str, list[str]]:
    """Return what each environment is made of; ``next`` is npm's, the others are pip's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    django = ["Django", *ORM, *UVICORN]
    return {
        "ours": [*project["dependencies"], *ORM, *UVICORN],
        "django": [*django, "orjson", "pydantic", "gunicorn"],
        "drf": [*django, "djangorestframework", "orjson", "gunicorn"],
        "ninja": [*django, "django-ninja"],
        "modern-rest": [*django, "django-modern-rest[msgspec]"],
        "bolt": [*django, "django-bolt", "orjson"],
        "fastapi": ["fastapi", "itsdangerous", *ORM, *UVICORN],
        "litestar": ["litestar", *ORM, *UVICORN],
        "starlette": ["starlette", "orjson", "pydantic", *ORM, *UVICORN],
        "next": ["next@latest", "react@latest", "react-dom@latest", "pg@latest", "zod@latest"],
    }


SHOWN = {
    "ours": ("Django", "pydantic", "orjson"),
    "django": ("Django", "gunicorn", "uvicorn", "uvloop", "httptools", "psycopg"),
    "drf": ("djangorestframework", "Django"),
    "ninja": ("django-ninja", "Django"),
    "modern-rest": ("django-modern-rest", "Django", "msgspec"),
    "bolt": ("django-bolt", "Django", "msgspec"),
    "fastapi": ("fastapi", "starlette", "pydantic"),
    "litestar": ("litestar", "msgspec"),
    "starlette": ("starlette", "pydantic", "orjson"),
    "next": ("next", "react", "pg", "zod"),
}
"""Packages of each environment whose versions are told."""
