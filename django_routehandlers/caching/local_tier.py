"""
Keep what is asked for most in the memory of this process, within a number of bytes.

A hit takes no lock: it only leaves a mark. What has a mark when room is needed loses the mark and
stays; what has none goes, the longest unused first.
"""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any, Generic

from typing_extensions import TypeVar

OVERHEAD = 512
"""Bytes counted for each entry beside its own size: its key, its place, its mark. Measured: about 400."""

_LARGEST = 8  # an entry larger than this part of the tier would drive out too many others
_SECOND_CHANCES = 8  # marks that are taken away for one place, before what is next goes in any case

_E = TypeVar("_E", default=Any)


class _Slot(Generic[_E]):
    __slots__ = ("entry", "is_used", "size")

    def __init__(self, entry: _E, size: int) -> None:
        self.entry = entry
        self.size = size
        self.is_used = False


class LocalTier(Generic[_E]):
    """
    Entries by key, as many as fit. Usable from any thread.

    Args:
        max_bytes: Bytes of all entries together, with ``OVERHEAD`` for each.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._slots: OrderedDict[Hashable, _Slot[_E]] = OrderedDict()
        self._bytes_used = 0

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def bytes_used(self) -> int:
        """Bytes of all entries together, with the overhead; never above the limit."""
        return self._bytes_used

    def get(self, key: Hashable) -> _E | None:
        """Return the entry, or ``None`` where there is none."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        slot.is_used = True
        return slot.entry

    def put(self, key: Hashable, entry: _E, size: int) -> None:
        """
        Keep an entry in place of an earlier one, and let go of others where there is no room.

        One that would take more than an eighth of the tier is not kept.

        Args:
            size: Bytes that the entry takes, without ``OVERHEAD``.
        """
        size += OVERHEAD
        with self._lock:
            self._remove(key)
            if size * _LARGEST > self._max_bytes:
                return
            self._make_room(size)
            self._slots[key] = _Slot(entry, size)
            self._bytes_used += size

    def pop(self, key: Hashable) -> _E | None:
        """Let go of an entry, and return it where there was one."""
        with self._lock:
            slot = self._remove(key)
        return None if slot is None else slot.entry

    def clear(self) -> None:
        """Let go of all entries."""
        with self._lock:
            self._slots.clear()
            self._bytes_used = 0

    def _remove(self, key: Hashable) -> "_Slot[_E] | None":
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._bytes_used -= slot.size
        return slot

    def _make_room(self, size: int) -> None:
        chances = _SECOND_CHANCES
        while self._bytes_used + size > self._max_bytes:
            key, slot = next(iter(self._slots.items()))
            if slot.is_used and chances:
                chances -= 1
                slot.is_used = False
                self._slots.move_to_end(key)
            else:
                self._remove(key)
                chances = _SECOND_CHANCES
