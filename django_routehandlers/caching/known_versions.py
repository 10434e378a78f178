"""
Turn what was read and written of versions, in whatever order it comes to an end, into what is known of them.

Memory of one process: nothing is asked here. What is remembered is of one epoch of the store, has
the time at which it was true, and is older than no change that began in this process.
"""

from collections.abc import Mapping, Sequence
from threading import Lock

from django_routehandlers.caching.stores import EPOCH

ALL = "all:*"
"""Tag of every entry. Where more changes than can be remembered could not be told to the store, it stands for all."""

_MAX_TAGS = 100_000


class KnownVersions:
    """Versions of tags as this process knows them, and the changes that it owes to the store. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.seen: dict[str, tuple[bytes, float]] = {}
        """Versions, each with the seconds of the clock at which it was true. To be read only."""
        self.owed: set[str] = set()
        """Tags that have changed without the store knowing it. To be read only."""
        # Moments in the life of this object: what was read before a tag's last change is out of date.
        self.moment = 0
        self._changed: dict[str, int] = {}
        self._changed_before = 0

    def has(self, tag: str, version: bytes, since: float) -> bool:
        """Return whether the tag had this version after *since*."""
        seen = self.seen.get(tag)
        return seen is not None and seen[0] == version and seen[1] > since

    def get(self, tags: Sequence[str], since: float) -> dict[str, bytes]:
        """Return the versions of those tags that are known to have had one after *since*."""
        return {tag: seen[0] for tag in tags if (seen := self.seen.get(tag)) is not None and seen[1] > since}

    def learn(self, tags: Sequence[str], found: Mapping[str, bytes], moment: int, read_at: float) -> None:
        """
        Remember what was true of *tags*, unless they have changed since.

        Args:
            found: The versions of those that have one, and the epoch, where the store has epochs.
            moment: The ``moment`` before the store was asked.
            read_at: Seconds of the clock before the store was asked.
        """
        with self._lock:
            if len(self.seen) + len(tags) > _MAX_TAGS:
                self.seen.clear()
            if ALL in self.owed or not self._enters_epoch(found.get(EPOCH), read_at):
                return
            for tag in tags:
                seen = self.seen.get(tag)
                if (
                    self._changed.get(tag, self._changed_before) > moment
                    or tag in self.owed
                    or (seen is not None and seen[1] > read_at)
                ):
                    continue
                if tag in found:
                    self.seen[tag] = found[tag], read_at
                else:
                    self.seen.pop(tag, None)

    def change(self, tags: Sequence[str]) -> int:
        """Forget *tags*, which change from now on, and return the moment."""
        with self._lock:
            self.moment += 1
            if len(self._changed) + len(tags) > _MAX_TAGS:
                self._changed.clear()
                self._changed_before = self.moment
            for tag in tags:
                self._changed[tag] = self.moment
                self.seen.pop(tag, None)
            return self.moment

    def debts(self) -> frozenset[str]:
        """Return the tags of which the store has still to be told."""
        with self._lock:
            return frozenset(self.owed)

    def owe(self, tags: Sequence[str]) -> None:
        """Note that the store could not be told of *tags*."""
        with self._lock:
            self.owed.update(tags)
            if len(self.owed) > _MAX_TAGS:
                self.owed = {ALL}
                self.seen.clear()
        # Somebody may have read the old ones once more before this was known.
        self.change(tags)

    def end_change(self, versions: Mapping[str, bytes], moment: int, written_at: float) -> None:
        """
        Note that the store knows of a change, and remember the new versions.

        Args:
            moment: What ``change()`` returned.
            written_at: Seconds of the clock before the store was told.
        """
        with self._lock:
            self.moment += 1
            for tag, version in versions.items():
                is_last = self._changed.get(tag, self._changed_before) == moment
                self._changed[tag] = self.moment
                if not is_last:
                    # Another change of the tag has begun meanwhile: which of the two the store has, is unknown. What
                    # was read between their beginnings and this end may be older than this one.
                    self.seen.pop(tag, None)
                    continue
                self.owed.discard(tag)
                if ALL not in self.owed:
                    self.seen[tag] = version, written_at

    def forget(self) -> None:
        """Forget what was known of a store that has been cleared."""
        with self._lock:
            self.seen.clear()
            self.moment += 1
            self._changed.clear()
            self._changed_before = self.moment

    def _enters_epoch(self, epoch: bytes | None, read_at: float) -> bool:
        """Return whether what was read is of the present epoch of the store, forgetting another before it."""
        seen = self.seen.get(EPOCH)
        if epoch is not None and seen is not None and seen[0] != epoch:
            if seen[1] > read_at:
                return False
            self.seen.clear()
        return True
