"""
Run tests of Django's own, from its source package, against our handler: ``python tests/django_suite.py [labels]``.

Without labels those that send requests run. Each test runs three times: with stock Django; with stock
Django, its sync test client driven through the async chain; and with our handler in the place of Django's,
for the application, ``AsyncClient`` and, through the async chain as well, ``Client``. Printed is every test
whose outcome differs from stock. Exit status 1 says that one of them differs from the second run too, and
has no reason in ``KNOWN``; or that less has run than should.

The source package of the Django that is installed is downloaded by pip. ``--source DIR`` names an unpacked
one, which has to be of the same release. ``tox -e django-suite`` does all this.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
from django.test.runner import DiscoverRunner

LABELS = (
    "asgi",
    "async",
    "auth_tests",
    "conditional_processing",
    "csrf_tests",
    "file_uploads",
    "flatpages_tests",
    "handlers",
    "logging_tests",
    "messages_tests",
    "middleware",
    "middleware_exceptions",
    "redirects_tests",
    "requests_tests",
    "responses",
    "sessions_tests",
    "signals",
    "signed_cookies_tests",
    "sites_tests",
    "test_client",
    "test_client_regress",
    "urlpatterns_reverse",
    "view_tests",
)

KNOWN: Mapping[str, str] = {
    "asgi.tests.ASGITest.test_read_body_thread": "puts a file of its own in the place of one that we do not use",
}
"""Test → why its outcome is another one with our handler."""

_HANDLER, _OUTCOMES = "RH_SUITE_HANDLER", "RH_SUITE_OUTCOMES"

_LIMIT = 1_200  # seconds that one run may take

Outcomes = dict[str, str]
"""Test → how it ended, such as ``ok``."""


class Recorder(unittest.TextTestResult):
    """Note how each test ended."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: Outcomes = {}

    def _note(self, test: unittest.TestCase, outcome: str) -> None:
        # A test with subtests ends as the worst of them did, and setUpClass() is a test here too.
        if self.outcomes.get(test.id(), "ok") == "ok":
            self.outcomes[test.id()] = outcome

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._note(test, "ok")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._note(test, "error")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, "failure")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self._note(test, "skipped")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._note(test, "expected failure")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self._note(test, "unexpected success")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failure" if issubclass(err[0], test.failureException) else "error")


class Runner(DiscoverRunner):
    """Django's runner, which writes down how each test ended, and puts the handler in before tests are imported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        handler = os.environ[_HANDLER]
        if handler == "ours":
            from django_routehandlers.engine.chain import Chain

            _use_our_application()
            _drive_clients(Chain)
        elif handler == "driven":
            _drive_clients()

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        return Recorder

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        result = super().run_suite(suite, **kwargs)
        Path(os.environ[_OUTCOMES]).write_text(json.dumps(result.outcomes))
        return result


def _use_our_application() -> None:
    # It subclasses Django's handler, whichever that is when it is imported, and wraps an application.
    import django.contrib.staticfiles.handlers
    import django.core.asgi
    import django.core.handlers.asgi

    from django_routehandlers.asgi import get_asgi_application
    from django_routehandlers.engine.handler import EngineHandler

    django.core.asgi.get_asgi_application = get_asgi_application
    # Whose methods are called one by one, which those of a handler of routes are not made for.
    django.core.handlers.asgi.ASGIHandler = EngineHandler  # type: ignore[misc]


def _drive_clients(*chain: type) -> None:
    """Have both test clients answer their requests by the async methods of *chain*, or else of Django's."""
    import django.test.client as clients
    from asgiref.sync import async_to_sync

    class AsyncClientHandler(*chain, clients.AsyncClientHandler):
        pass

    class ClientHandler(*chain, clients.ClientHandler):
        def load_middleware(self, is_async: bool = False) -> None:
            super().load_middleware(is_async=True)

        def get_response(self, request: Any) -> Any:
            return async_to_sync(self.get_response_async)(request)

    for handler in (AsyncClientHandler, ClientHandler):
        setattr(clients, handler.__name__, handler)


def unpack_source(folder: Path) -> Path:
    """Download the source package of the Django that is installed into *folder*; return where it is unpacked."""
    version = django.get_version()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "Django"]
    subprocess.run([*command, "--dest", str(folder), f"Django=={version}"], check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def run(handler: str, source: Path, labels: list[str], folder: Path) -> Outcomes:
    """Run tests with one handler; return how they ended."""
    (folder / "suite_settings.py").write_text("from test_sqlite import *\n\nTEST_RUNNER = 'django_suite.Runner'\n")
    outcomes, log = folder / f"{handler}.json", folder / f"{handler}.log"
    # Django's own folder of tests comes before these: a script's folder does.
    path = os.pathsep.join([str(folder), str(Path(__file__).parent)])
    command = [sys.executable, "runtests.py", "--settings=suite_settings", "--parallel=1", "--noinput", "-v", "2"]
    outcomes.unlink(missing_ok=True)
    with log.open("w") as output, suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [*command, *labels],
            cwd=source / "tests",
            env=os.environ | {"PYTHONPATH": path, _HANDLER: handler, _OUTCOMES: str(outcomes)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=_LIMIT,
        )
    if not outcomes.exists():
        sys.exit(f"{handler}: the tests came to no end. Their last words:\n{log.read_text()[-4000:]}")
    return json.loads(outcomes.read_text())


def compare(stock: Outcomes, driven: Outcomes, ours: Outcomes) -> list[str]:
    """Print which outcomes differ from stock, each with its reason; return those that have none."""
    unexplained: list[str] = []
    for test in sorted(stock.keys() | ours.keys()):
        outcomes = [run.get(test, "not run") for run in (stock, driven, ours)]
        if outcomes[2] == outcomes[0]:
            continue
        reason = KNOWN.get(test)
        if outcomes[2] == outcomes[1]:
            reason = "as stock Django's async chain"
        elif reason is None:
            unexplained.append(test)
        print(f"{test}: {outcomes[2]} instead of {outcomes[0]}: {reason or 'NO REASON KNOWN'}")
    return unexplained


def main() -> int:
    parser = argparse.ArgumentParser(description="Run tests of Django's own against our handler.")
    parser.add_argument("labels", nargs="*", help=f"as for Django's runtests.py; without any: {' '.join(LABELS)}")
    parser.add_argument("--source", type=Path, help="an unpacked source package of the Django that is installed")
    parser.add_argument("--logs", type=Path, help="a folder in which to keep what the tests print")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = options.source.resolve() if options.source else unpack_source(folder)
        logs = folder if options.logs is None else options.logs.resolve()
        logs.mkdir(exist_ok=True)
        labels = options.labels or [label for label in LABELS if (source / "tests" / label).is_dir()]
        runs = {handler: run(handler, source, labels, logs) for handler in ("stock", "driven", "ours")}
    for handler, outcomes in runs.items():
        counts = {kind: list(outcomes.values()).count(kind) for kind in sorted(set(outcomes.values()))}
        print(f"{handler}: {len(outcomes)} tests", counts)
    unexplained = compare(runs["stock"], runs["driven"], runs["ours"])
    print(f"{len(unexplained)} differences without a reason.")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
