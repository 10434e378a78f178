"""
The local tier: what is asked for most, within a number of bytes.

The short form fills a tier two times over, ``RH_PROOF=full`` a hundred times.
"""

import os
import random
import threading
import tracemalloc

import pytest

from django_routehandlers.caching.local_tier import OVERHEAD, LocalTier

FILLS = 100 if os.environ.get("RH_PROOF") == "full" else 2


def tier_for(entries: int, size: int = 1000) -> LocalTier[str]:
    """Return a tier with room for so many entries of *size* bytes."""
    return LocalTier(entries * (size + OVERHEAD))


def test_an_entry_is_there_under_its_key() -> None:
    tier = tier_for(10)
    tier.put(("route", "1"), "one", 1000)
    assert [tier.get(("route", "1")), tier.get(("route", "2"))] == ["one", None]


def test_the_longest_unused_goes_first() -> None:
    tier = tier_for(10)
    for number in range(10):
        tier.put(number, str(number), 1000)
    for number in (0, 1, 2):
        tier.get(number)
    for number in range(10, 15):
        tier.put(number, str(number), 1000)
    assert [number for number in range(15) if tier.get(number)] == [0, 1, 2, 8, 9, 10, 11, 12, 13, 14]


def test_what_was_used_once_does_not_stay_for_ever() -> None:
    tier = tier_for(10)
    tier.put("old", "old", 1000)
    tier.get("old")
    for number in range(30):
        tier.put(number, str(number), 1000)
    assert tier.get("old") is None


def test_room_is_made_even_where_everything_was_used() -> None:
    tier = tier_for(100)
    for number in range(100):
        tier.put(number, str(number), 1000)
        tier.get(number)
    tier.put("new", "new", 1000)
    assert (len(tier), tier.get("new")) == (100, "new")


def test_a_large_entry_takes_the_place_of_several() -> None:
    tier = LocalTier(10 * (1000 + OVERHEAD))
    for number in range(10):
        tier.put(number, str(number), 1000)
    tier.put("large", "large", 1000 + 1)
    assert [number for number in range(10) if tier.get(number)] == [2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("size", "is_kept"), [(8192 // 8 - OVERHEAD, True), (8192 // 8 - OVERHEAD + 1, False)])
def test_an_entry_above_an_eighth_of_the_tier_is_not_kept(size: int, is_kept: bool) -> None:
    tier: LocalTier[str] = LocalTier(8192)
    tier.put("a", "a", size)
    assert (tier.get("a") is not None) == is_kept


def test_an_entry_that_became_too_large_does_not_leave_the_one_before() -> None:
    tier = tier_for(10)
    tier.put("a", "old", 1000)
    tier.put("a", "new", 100_000)
    assert (tier.get("a"), len(tier), tier.bytes_used) == (None, 0, 0)


def test_an_entry_takes_the_place_of_the_one_before() -> None:
    tier = tier_for(10)
    tier.put("a", "old", 1000)
    tier.put("a", "new", 500)
    assert (tier.get("a"), len(tier), tier.bytes_used) == ("new", 1, 500 + OVERHEAD)


def test_an_entry_can_be_let_go_of() -> None:
    tier = tier_for(10)
    tier.put("a", "a", 1000)
    assert [tier.pop("a"), tier.pop("a"), tier.get("a")] == ["a", None, None]
    assert (len(tier), tier.bytes_used) == (0, 0)


def test_all_entries_can_be_let_go_of() -> None:
    tier = tier_for(10)
    for number in range(10):
        tier.put(number, "x", 1000)
    tier.clear()
    assert (len(tier), tier.bytes_used, tier.get(1)) == (0, 0, None)


def test_bytes_add_up_whatever_is_done() -> None:
    """Invariant 47: never above the limit."""
    tier: LocalTier[int] = LocalTier(100_000)
    choice = random.Random(5)
    sizes: dict[int, int] = {}
    for _ in range(20_000):
        key, size = choice.randrange(200), choice.randrange(20_000)
        match choice.randrange(4):
            case 0:
                tier.pop(key)
            case 1:
                tier.get(key)
            case _:
                tier.put(key, key, size)
                sizes[key] = size
        assert tier.bytes_used <= 100_000
    assert tier.bytes_used == sum(sizes[key] + OVERHEAD for key in range(200) if tier.get(key) is not None)


def test_threads_share_a_tier() -> None:
    tier = tier_for(50)
    wrong: list[object] = []

    def work(seed: int) -> None:
        choice = random.Random(seed)
        try:
            for _ in range(5000):
                key = choice.randrange(200)
                found = tier.get(key)
                if found is None:
                    tier.put(key, str(key), choice.randrange(1000))
                elif found != str(key):
                    wrong.append((key, found))
                if choice.random() < 0.1:
                    tier.pop(key)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert tier.bytes_used <= 50 * (1000 + OVERHEAD)


@pytest.mark.slow
def test_any_number_of_entries_of_ten_kilobytes_stays_within_64_megabytes() -> None:
    """Invariant 47: bounded in bytes, whatever keys an attacker chooses; so is invariant 24."""
    limit = 64 * 1024 * 1024
    tier: LocalTier[bytes] = LocalTier(limit)
    tracemalloc.start()
    try:
        for number in range(FILLS * limit // 10_000):
            key = ("build", "shop:/api/products/[id]", ("id", str(number)), "example.com", (), "en-us", "UTC")
            tier.put(key, bytes(10_000), 10_000)
        used, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tier.bytes_used <= limit
    assert 0.9 * limit < used <= peak < 1.05 * limit


@pytest.mark.slow
def test_small_entries_stay_within_the_limit_too() -> None:
    """Invariant 47: the overhead that is counted covers keys and places."""
    limit = 16 * 1024 * 1024
    tier: LocalTier[None] = LocalTier(limit)
    tracemalloc.start()
    try:
        for number in range(FILLS * limit // OVERHEAD):
            key = ("build", "shop:/api/products/[id]", ("id", str(number)), f"{number}.example.com", (), "en-us", "UTC")
            tier.put(key, None, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * limit
