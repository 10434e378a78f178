"""State the work that every framework does, and the answers to it. Knows nothing of any of them."""

import json
from dataclasses import dataclass
from typing import Any

SMALL = {"id": 7, "name": "Oak Chair"}
PRODUCTS = [
    {"id": number, "name": f"Oak Chair {number}", "price": 442.5 + number, "stock": 5 + number}
    for number in range(1, 21)
]
"""The table ``product``; what is asked for by its number is the seventh."""
ORDER: dict[str, Any] = {
    "customer": {"name": "Ada Byron", "email": "ada@example.com", "phone": None},
    "address": {"street": "12 St James's Square", "city": "London", "postcode": "SW1Y 4LB", "country": "GB"},
    "items": [{"product": 7, "quantity": 2, "price": 449.5}, {"product": 9, "quantity": 1, "price": 89.25}],
    "currency": "EUR",
    "note": "Please ring at the side door.",
    "express": True,
    "tags": ["gift", "oak"],
}
PLACED = {"id": 7, "total": 988.25, **ORDER}
REFUSED = {**ORDER, "items": [{"product": 7, "quantity": 0, "price": 449.5}]}
"""Not valid: a quantity is at least 1."""
LINES = 10_000
NDJSON = "application/x-ndjson"
ROUTES = 10_000
SECONDS = 3600  # for which a cached answer is fresh, where the framework has to be told


def record(number: int) -> dict[str, Any]:
    """Return a record whose line has 60 bytes, the newline included."""
    return {"id": 10_000 + number, "name": "Oak Chair 7", "price": 449.5, "stock": 120}


RECORDS = [record(number) for number in range(LINES)]


@dataclass(frozen=True)
class Case:
    """One kind of work."""

    key: str
    title: str
    target: str
    answer: Any
    """The JSON value of the answer; of lines, a list of them."""
    connections: tuple[int, ...] = (1, 32)
    body: Any = None
    """The JSON value that is sent, by a POST; ``None``: it is a GET."""
    needs_database: bool = False
    is_lines: bool = False
    is_apart: bool = False
    """Whether its servers have nothing but it, and run after the others."""

    def request(self, body: Any = None) -> bytes:
        """Return the bytes of the request, with *body* instead of its own."""
        head = [
            f"{'GET' if self.body is None else 'POST'} {self.target} HTTP/1.1",
            "Host: 127.0.0.1:8000",
            "User-Agent: benchmark/1.0",
            "Accept: */*",
        ]
        content = b""
        if self.body is not None:
            content = json.dumps(self.body if body is None else body, separators=(",", ":")).encode()
            head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*head, "", ""]).encode() + content

    def is_answered_by(self, content: bytes) -> bool:
        """Tell whether the content of a response is the answer."""
        try:
            found = [json.loads(line) for line in content.splitlines()] if self.is_lines else json.loads(content)
        except ValueError:
            return False
        return found == self.answer


CASES = [
    Case("json", "JSON GET", "/json", SMALL),
    Case("post", "Typed POST", "/orders", PLACED, (32,), ORDER),
    Case("row", "One row of PostgreSQL", "/row", PRODUCTS[6], needs_database=True),
    Case("cached", "Cached GET", "/cached", {"products": PRODUCTS}, needs_database=True),
    Case("lines", "10,000 lines streamed", "/lines", RECORDS, (1,), is_lines=True),
    Case("routes", "The last of 10,000 routes", f"/many/{ROUTES - 1}", SMALL, (1,), is_apart=True),
]
