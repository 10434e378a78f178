"""Run the servers that benchmarks compare, each in a process of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

START_LIMIT = 30  # seconds


@dataclass
class Peer:
    """A server that runs, and what has been measured of it."""

    name: str
    middleware: int
    port: int
    process: subprocess.Popen[bytes]
    wall: list[float] = field(default_factory=list)
    """Seconds for one request, in each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of the server's process for one request, in each round; empty where the kernel does not say."""

    workers: list[int] = field(default_factory=list)
    """Numbers of the processes that it has started, see ``find_workers``."""

    def find_workers(self) -> None:
        """Look for the processes that the server has started, so that what they use counts too (Linux only)."""
        known = [self.process.pid]
        for number in known:
            children = Path(f"/proc/{number}/task/{number}/children")
            known += [int(child) for child in children.read_text().split()] if children.exists() else []
        self.workers = known[1:]

    def cpu_seconds(self) -> float | None:
        """Return what the process, and those that it has started, have used so far."""
        try:
            # The CPU clock of another process, as clock_getcpuclockid(3) makes its number.
            return sum(time.clock_gettime((~number << 3) | 2) for number in (self.process.pid, *self.workers))
        except OSError:
            return None


@contextmanager
def starting(
    name: str,
    middleware: int,
    script: str,
    *,
    python: str | Path = sys.executable,
    path: Iterable[str] | None = None,
    log: str | None = None,
) -> Iterator[Peer]:
    """
    Start the server of a peer, and end it when it is not needed any more.

    Args:
        script: What is run, in a folder of its own; it knows *name*.
        python: Of which environment.
        path: Folders that the server imports from, besides that of *script*; ``None``: those of this process.
        log: The file that has its errors; ``None``: where those of this process go.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as free,
        nullcontext() if log is None else open(log, "wb") as errors,
    ):
        port: int = free.getsockname()[1]
        free.close()
        process = subprocess.Popen(
            [python, script, "--serve", name, "--port", str(port), "--middleware", str(middleware)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path if path is None else path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            yield Peer(name, middleware, port, process)
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a server."""
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        # Its loop stands still.
        process.kill()
        process.wait(10)


@contextmanager
def running(name: str, middleware: int, script: str) -> Iterator[Peer]:
    """Run the server of a peer until it is not needed any more; give it once it answers."""
    with starting(name, middleware, script) as peer:
        wait_for(peer.port, peer.process)
        yield peer


def wait_for(port: int, process: "subprocess.Popen[bytes]", limit: float = START_LIMIT) -> None:
    """Return once the server answers, within *limit* seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"The server did not start within {limit:g} s.")
