"""Ask over sockets, with as little of a client as will do: what it takes is in every figure."""

import asyncio
import re
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
CHUNKS_END = b"\r\n0\r\n\r\n"
READ_SIZE = 1 << 18  # bytes
LIMIT = 60  # seconds for one part of a response


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, request: bytes, left: list[int], answers: list[bytes]) -> None:
        self.request = request
        self.left = left
        self.answers = answers
        self.closed = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self.transport = transport
        self.next()

    def next(self) -> None:
        """Send one request more, or hang up."""
        if self.left[0] <= 0:
            self.transport.close()
            return
        self.left[0] -= 1
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Go on once an answer is whole."""
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        stated = LENGTH.search(head)
        # Django leaves the length to CommonMiddleware; without it uvicorn sends chunks.
        if len(body) == int(stated[1]) if stated else body.endswith(b"\r\n0\r\n\r\n"):
            self.answers.append(self.received)
            self.received = b""
            self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.closed.set_result(None)


class Connection:
    """A connection that stays open, and reads no more into a response than where it ends."""

    def __init__(self, port: int, timeout: float = LIMIT) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def parts(self, target: str) -> Iterator[bytes]:
        """Send a GET; yield the response as it comes, head included, to its end."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        size, whole, tail = 0, None, b""
        while size != whole and tail != CHUNKS_END:
            part = self.socket.recv(READ_SIZE)
            if not part:
                raise ConnectionError(f"{target} broke off.")
            if not size:
                # All of these servers write the head at once.
                head, _, _ = part.partition(b"\r\n\r\n")
                stated = LENGTH.search(head)
                whole = len(head) + 4 + int(stated[1]) if stated else None
            size += len(part)
            tail = (tail + part[-len(CHUNKS_END) :])[-len(CHUNKS_END) :]
            yield part

    def get(self, target: str) -> tuple[float, bytes]:
        """Return the seconds to the end of a response, and its content."""
        start = time.perf_counter()
        parts = list(self.parts(target))
        seconds = time.perf_counter() - start
        head, _, content = b"".join(parts).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(f"{target}: {head.decode()}")
        return seconds, content if LENGTH.search(head) else b"".join(chunks(content))


def chunks(coded: bytes) -> Iterator[bytes]:
    """Yield what the chunked coding wraps."""
    position = 0
    while True:
        end = coded.index(b"\r\n", position)
        size = int(coded[position:end], 16)
        if not size:
            return
        yield coded[end + 2 : end + 2 + size]
        position = end + 2 + size + 2


def content_of(answer: bytes) -> bytes:
    """Return the content of a whole response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if LENGTH.search(head) else b"".join(chunks(body))


def ask_once(port: int, request: bytes, limit: float = LIMIT) -> bytes:
    """Send one request over a connection of its own; return the whole response."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as connection:
        connection.sendall(request)
        answer = b""
        while not is_whole(answer):
            part = connection.recv(READ_SIZE)
            if not part:
                raise ConnectionError(f"It broke off: {answer[:2000]!r}")
            answer += part
        return answer


def is_whole(answer: bytes) -> bool:
    """Tell whether a response has come to its end."""
    head, end, body = answer.partition(b"\r\n\r\n")
    stated = LENGTH.search(head)
    return bool(end) and (len(body) == int(stated[1]) if stated else answer.endswith(CHUNKS_END))


def ask_many(port: int, request: bytes, count: int, connections: int, ending: bytes) -> tuple[float, bytes]:
    """
    Send the same request *count* times, over connections that stay open; return the seconds, and the last answer.

    Each asks again as soon as it has its answer. Nothing is parsed: that would make fast servers look alike.

    Args:
        ending: The last bytes of each answer, and of nothing in it before them.
    """
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT) for _ in range(connections)]
    found = {one.fileno(): one for one in sockets}
    poll = select.poll()
    for one in found:
        poll.register(one, select.POLLIN)
    received, left, whole, answer = dict.fromkeys(found, b""), count - len(sockets[:count]), 0, b""
    start = time.perf_counter()
    for one in sockets[:count]:
        one.send(request)
    while whole < count:
        ready = poll.poll(LIMIT * 1000)
        if not ready:
            raise TimeoutError(f"{whole} answers to {count} requests")
        for number, _ in ready:
            part = found[number].recv(READ_SIZE)
            if not part:
                raise ConnectionError(f"It broke off: {received[number][:2000]!r}")
            answer = received[number] + part
            if not answer.endswith(ending):
                received[number] = answer
                continue
            received[number], whole = b"", whole + 1
            if left:
                left -= 1
                found[number].send(request)
    seconds = time.perf_counter() - start
    for one in sockets:
        one.close()
    return seconds, answer
