"""Run a sync producer for a server that has no event loop: in the thread that reads, record by record."""

from collections.abc import Callable, Iterable, Iterator


class DirectPump:
    """
    One sync producer, which runs only while it is asked.

    Whether the next record will be ready could only be learnt by waiting for it, so each
    leaves by itself.

    Args:
        records: What is read, once.
        frame: What turns a record into bytes.
    """

    error: Exception | None = None
    """What the producer failed with; known when ``take()`` has returned ``b""``."""

    def __init__(self, records: Iterable[object], frame: Callable[[object], bytes]) -> None:
        self._records = records
        self._frame = frame
        self._iterator: Iterator[object] | None = None
        self._first: bytes | None = None

    @property
    def early_error(self) -> Exception | None:
        """What the producer failed with before its first record."""
        return None if self._first else self.error

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken at this moment."""
        return self._first is None

    def ready(self, within: float | None) -> None:
        """Take the first record, however long it takes."""
        self._first = self._next()

    def resume(self) -> None:
        """Nothing: the producer runs while it is read."""

    def take(self, within: float | None = None) -> bytes | None:
        """Return the next record, ``b""`` at the end. It takes as long as the producer takes."""
        if (first := self._first) is not None:
            self._first = None
            return first
        return self._next()

    def close(self) -> None:
        """Stop the producer where it is, and wait until it has cleaned up."""
        if callable(close := getattr(self._iterator, "close", None)):
            close()

    def abandon(self) -> None:
        """Nothing: it does not run by itself."""

    def drop(self) -> None:
        """Stop the producer, in this thread: there is no other that it belongs to."""
        self.close()

    def _next(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._records)
            for record in self._iterator:
                if line := self._frame(record):
                    return line
        except Exception as error:
            self.error = error
        return b""
