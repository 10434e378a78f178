"""Names of a route file that are handlers, config, or nearly so."""

import pytest

from conftest import Site


def _messages(site: Site) -> list[tuple[str, str, str, str]]:
    prefix = f"{site.root}/{site.label()}/routes/x/route.py"
    found: list[tuple[str, str, str, str]] = []
    for message in site.check():
        place, _, what = message.msg.removeprefix(prefix).partition(": /x: ")
        found.append((str(message.id).removeprefix("routehandlers."), place, what, str(message.hint)))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "",
            [
                (
                    "E031",
                    "",
                    "the file defines no handler. A route answers at least one method.",
                    "Add `async def GET(): …`, or remove the file.",
                )
            ],
        ),
        (
            "import os\n\ndef get():\n    pass\n",
            [
                (
                    "E032",
                    ":3",
                    "get() answers nothing: a handler is named after its method in capitals.",
                    "Rename it to GET, or to _get if it is a helper.",
                )
            ],
        ),
        (
            "async def Post():\n    pass\n\n\ndef GTE():\n    pass\n",
            [
                (
                    "E032",
                    ":1",
                    "Post() answers nothing: a handler is named after its method in capitals.",
                    "Rename it to POST, or to _Post if it is a helper.",
                ),
                (
                    "E032",
                    ":5",
                    "GTE() answers nothing: a handler is named after its method in capitals.",
                    "Rename it to GET, or to _GTE if it is a helper.",
                ),
            ],
        ),
        (
            "def GET():\n    pass\n\n\ndef TRACE():\n    pass\n",
            [
                (
                    "E032",
                    ":5",
                    "TRACE has no handler. A route answers GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.",
                    "Remove it, or rename it to _trace.",
                )
            ],
        ),
        (
            "GET = 3\n",
            [("E034", ":1", "GET is of type int. A handler is a function.", "Write `async def GET(request): …`.")],
        ),
        (
            "class GET:\n    pass\n",
            [("E034", ":1", "GET is a class. A handler is a function.", "Write `async def GET(request): …`.")],
        ),
        (
            "def GET():\n    pass\n\n\nname = 'a:b'\n",
            [
                (
                    "E035",
                    ":5",
                    "name is 'a:b'. A URL name is text without a colon, which separates namespaces.",
                    'Write `name = "product-detail"`.',
                )
            ],
        ),
        (
            "revalidat = 60\n\n\ndef GET():\n    pass\n",
            [
                (
                    "E033",
                    ":1",
                    "`revalidat` looks like the route segment config `revalidate`.",
                    "Rename it to revalidate, or to _revalidat if it is yours.",
                )
            ],
        ),
        (
            "throttle: str = '10/minit'\n\n\ndef GET():\n    pass\n",
            [
                (
                    "E035",
                    ":1",
                    "throttle is '10/minit'. It is a rate such as \"100/minute\", a Throttle, a list of them, or None.",
                    'Write `throttle = "100/minute"`, or name it `_throttle` if it is yours.',
                )
            ],
        ),
        (
            "max_duration = 0\n\n\ndef GET():\n    pass\n",
            [
                (
                    "E035",
                    ":1",
                    "max_duration is 0. It is a number of seconds above 0, or None for any time.",
                    "Write `max_duration = 10`, or name it `_max_duration` if it is yours.",
                )
            ],
        ),
        (
            'openapi = "no"\n\n\ndef GET():\n    pass\n',
            [
                (
                    "E035",
                    ":1",
                    "openapi is 'no'. It is False where the OpenAPI document leaves the route out, else True.",
                    "Write `openapi = False`, or name it `_openapi` if it is yours.",
                )
            ],
        ),
        (
            "open_api = False\n\n\ndef GET():\n    pass\n",
            [
                (
                    "E033",
                    ":1",
                    "`open_api` looks like the route segment config `openapi`.",
                    "Rename it to openapi, or to _open_api if it is yours.",
                )
            ],
        ),
    ],
)
def test_mistakes_in_names(site: Site, source: str, expected: list[tuple[str, str, str, str]]) -> None:
    """Invariant 84."""
    site.serve({"x/route.py": source})

    assert _messages(site) == expected


@pytest.mark.parametrize(
    "source",
    [
        "from operator import delitem as delete, getitem as get\n\n\ndef GET():\n    pass\n",
        "def _get():\n    pass\n\n\ndef GET():\n    pass\n",
        "page = 1\nquery = 2\nresults = []\n\n\ndef GET():\n    pass\n",
        "from http import HTTPMethod\n\nPAGE = 1\nLIMIT = 2\n\n\ndef GET():\n    pass\n",
        "class Post:\n    pass\n\n\ndef GET():\n    pass\n",
        "import json as openapi\n\n\ndef GET():\n    pass\n",
        "openapi = True\n\n\ndef GET():\n    pass\n",
    ],
)
def test_helpers_imports_and_constants_are_no_mistakes(site: Site, source: str) -> None:
    site.serve({"x/route.py": source})

    assert _messages(site) == []


def test_handler_may_be_assigned(site: Site) -> None:
    site.serve({"x/route.py": "async def _list():\n    return [1]\n\n\nGET = _list\n"})

    assert site.client.get("/x").json() == [1]


NAMES_OF_OTHERS = [
    ("permission_classes", "E145", "Refuse those who may not in a middleware.py of the folder"),
    ("authentication_classes", "E145", "and name the scheme in `security`"),
    ("throttle_classes", "E145", 'Write `throttle = "100/minute"`'),
    ("parser_classes", "W145", "Annotate `body`"),
    ("renderer_classes", "W145", "Return what becomes JSON"),
    ("serializer_class", "W145", "with pydantic models"),
    ("pagination_class", "W145", "`page: int = 1`"),
    ("filterset_class", "W145", "a model of them as `query`"),
    ("runtime", "W145", "Remove it"),
    ("preferredRegion", "W145", "Remove it"),
    ("fetchCache", "W145", "`dynamic` and `revalidate`"),
]


def test_config_of_other_frameworks_is_told(site: Site) -> None:
    """Invariant 84."""
    config = "".join(f"{name} = 'x'\n" for name, *_ in NAMES_OF_OTHERS)
    site.serve({"x/route.py": f"{config}\n\ndef GET():\n    pass\n"})

    for line, (found, (name, id, remedy)) in enumerate(zip(_messages(site), NAMES_OF_OTHERS, strict=True), 1):
        assert found[:2] == (id, f":{line}")
        assert found[2].startswith(f"`{name}` {'guards nothing' if id == 'E145' else 'has no effect'} here: it is ")
        assert remedy in found[3]
        assert f"; or rename it to _{name} if it is yours." in found[3]


def test_config_of_other_frameworks_guards_no_folder(site: Site) -> None:
    """Invariant 84."""
    site.serve({"middleware.py": "csrf = 'origin'\npermission_classes = []\n", "x/route.py": "def GET():\n    pass\n"})

    assert site.mistakes() == [("E145", f"{site.label()}/routes/middleware.py:2")]


@pytest.mark.parametrize(
    "source",
    [
        "def permission_classes(*classes):\n    return lambda view: view\n",
        "from operator import itemgetter as permission_classes\n",
        "runtime = object()\n",
        "_permission_classes = []\n",
    ],
)
def test_decorators_and_helpers_of_such_names_are_no_mistakes(site: Site, source: str) -> None:
    site.serve({"x/route.py": f"{source}\n\ndef GET():\n    pass\n"})

    assert _messages(site) == []
