"""Clients of a real server that keep their connections, and what a test needs to know of the server's process."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from servers import HOST, Reply, parse_reply

LIMIT = 20.0  # seconds for one answer


class Connection:
    """One client. It connects when it first asks, and again where the server has closed the connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, target: str, fields: Iterable[str] = (), *, method: str = "GET", body: bytes = b"", host: str = ""
    ) -> Reply:
        """Send one request, its fields as whole lines, and return the answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or HOST}", *fields]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        wire = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        is_kept = self._writer is not None
        async with asyncio.timeout(LIMIT):
            try:
                reply = await self._exchange(wire, has_body=method != "HEAD")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                # A server may close what has been idle at any moment; nothing but that is tried again.
                if not is_kept or getattr(error, "partial", b""):
                    raise
                self.close()
                reply = await self._exchange(wire, has_body=method != "HEAD")
        if reply["connection"] == "close":
            self.close()
        return reply

    def close(self) -> None:
        """Drop the connection, whatever is under way on it."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, wire: bytes, *, has_body: bool) -> Reply:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
        self._writer.write(wire)
        return await self._read(self._reader, has_body=has_body)

    async def _read(self, reader: asyncio.StreamReader, *, has_body: bool) -> Reply:
        head = await reader.readuntil(b"\r\n\r\n")
        reply = parse_reply(head, has_body=False)
        if not has_body or reply.status in (204, 304):
            return reply
        if (length := reply["content-length"]) is not None:
            return parse_reply(head + await reader.readexactly(int(length)))
        wire = head
        while not wire.endswith(b"\r\n0\r\n\r\n"):
            wire += await reader.readuntil(b"\r\n")
            if wire.endswith(b"\r\n0\r\n"):
                wire += await reader.readuntil(b"\r\n")
        return parse_reply(wire)


class Process:
    """A process, from outside. Without ``/proc`` the test is skipped; with ``CI=true`` it fails."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        if not self._folder.exists():
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs /proc")

    @property
    def threads(self) -> int:
        """Threads that there are."""
        return len(list((self._folder / "task").iterdir()))

    def open_files(self, part: str) -> int:
        """Return how many open files have *part* in their names; ``socket:`` for sockets."""
        count = 0
        for one in (self._folder / "fd").iterdir():
            try:
                count += part in os.readlink(one)
            except FileNotFoundError:
                continue
        return count

    def wait_until(self, threads: int, sockets: int, *, limit: float) -> tuple[int, int]:
        """Wait until there are no more than so many; return how many there are."""
        deadline = time.monotonic() + limit
        while (found := (self.threads, self.open_files("socket:"))) > (threads, sockets) or found[1] > sockets:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return found
