"""Start the demo shop as its reader does, on a database of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVE = Path(__file__).resolve().parent.parent / "testproject" / "serve.py"
START_LIMIT = 60  # seconds


@contextmanager
def running_shop(folder: Path, *, debug: bool) -> Iterator[str]:
    """Give the URL of the demo shop, which keeps its database and what it prints in *folder*."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}", "DEBUG": "01"[debug]}
    log = folder / "log"
    with log.open("wb") as file:
        command = [sys.executable, str(SERVE), "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_LIMIT
        # What is printed last, when the shop is about to listen.
        while f"{url}/api/rates" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the shop did not start"
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()
