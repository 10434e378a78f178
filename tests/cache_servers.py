"""Real cache servers on the loopback interface, which can be stopped, hung, emptied, filled up and reached late."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest


class CacheServer:
    """A server process on a free port. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What ``CACHES`` calls the location."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line of the server."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        name, *arguments = self.command()
        program = shutil.which(name)
        if program is None:
            message = f"{name} is not installed."
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        self._process = subprocess.Popen(
            [program, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, f"{name} has not started."
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server at once. Nothing of what it held is there when it is started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop the server, and start an empty one on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Have the server hang: the kernel takes connections for it, and nothing is ever answered."""
        pid = self._signal(signal.SIGSTOP)
        # Until it stands still: on a busy machine its threads go on for a while.
        os.waitpid(pid, os.WUNTRACED)

    def resume(self) -> None:
        """Have the server go on."""
        self._signal(signal.SIGCONT)

    def tell(self, *words: str) -> bytes:
        """Send a command, and return the beginning of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65536)

    def _answers(self) -> bool:
        try:
            return bool(self.tell("version" if type(self) is MemcachedServer else "PING"))
        except OSError:
            return False

    def _signal(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.pid


class RedisServer(CacheServer):
    """A ``redis-server`` that writes nothing to disk."""

    @property
    def url(self) -> str:
        """What ``CACHES`` calls the location."""
        return f"redis://{self.address}"

    def command(self) -> list[str]:
        """Return the command line of the server."""
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return ["redis-server", "--port", str(self.port), *options]

    def flush(self) -> None:
        """Remove everything."""
        assert self.tell("FLUSHALL") == b"+OK\r\n"

    def set_maxmemory(self, size: str) -> None:
        """Limit the memory; what does not fit is refused. ``0``: as much as there is."""
        assert self.tell("CONFIG SET maxmemory-policy noeviction") == b"+OK\r\n"
        assert self.tell("CONFIG SET maxmemory", size) == b"+OK\r\n"

    def make_read_only(self) -> None:
        """Make the server a replica, of a server that is not there."""
        assert self.tell("REPLICAOF 127.0.0.1", str(_free_port())) == b"+OK\r\n"

    def make_writable(self) -> None:
        """Make the server its own master again."""
        assert self.tell("REPLICAOF NO ONE") == b"+OK\r\n"


class MemcachedServer(CacheServer):
    """A ``memcached``."""

    def command(self) -> list[str]:
        """Return the command line of the server."""
        # It refuses to run as root without being told so.
        return ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "root"]

    def flush(self) -> None:
        """Remove everything."""
        assert self.tell("flush_all") == b"OK\r\n"


class TCPProxy:
    """
    An address that leads to a Redis server. Use it as a context manager.

    Args:
        port: Of the server. When it is changed, new connections lead to another one, as they do when a service name
            or a virtual address has moved.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.delay = 0.0
        """Seconds for which each part that a client sends is held back."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(one, other, one is client), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, is_delayed: bool) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                time.sleep(self.delay if is_delayed else 0)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        one.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
