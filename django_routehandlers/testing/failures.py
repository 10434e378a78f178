"""Turn what is wrong with a stream into the failure of a test."""

from collections.abc import Mapping, Sequence
from typing import Any

from django_routehandlers.documentation import Documented, Section


class StreamError(Documented, AssertionError):
    """
    A response is no stream that can be read.

    Its status or media type is another, or its bytes are not what the media type says.
    """

    section = Section("reference/testing", "Failures")


class StreamTimeout(StreamError):
    """A record did not come, or the producer did not end, in the time there was."""


class BrokenStream(StreamError):
    """
    A stream ended with an error record, or with an exception of its producer.

    The exception, where there was one, is the ``__cause__``.

    Args:
        where: The request, or the response.
        problem: The members of the problem (RFC 9457) in the error record; ``None`` where
            the stream broke off without one.
        records: What was read before.
    """

    def __init__(self, where: str, problem: Mapping[str, Any] | None, records: Sequence[Any]) -> None:
        self.problem = problem
        self.records = list(records)
        what = f"the error record is {dict(problem)}" if problem else "there is no error record"
        super().__init__(
            f"{where}: the stream broke off after {count(self.records)}, {what}. A whole stream ends without an "
            "error. Mend the producer, or expect BrokenStream, whose `records` are those before."
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Test runners pickle failures to bring them from one process to another.
        return _restore, (self.args, self.problem, self.records)


def count(records: Sequence[Any]) -> str:
    """Return how many records there are, in words."""
    return f"{len(records)} record{'s' if len(records) != 1 else ''}"


def _restore(args: tuple[object, ...], problem: Mapping[str, Any] | None, records: Sequence[Any]) -> BrokenStream:
    error = BrokenStream.__new__(BrokenStream, *args)
    error.problem = problem
    error.records = list(records)
    return error
