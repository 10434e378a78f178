"""
Stores: bytes in every kind of backend, and what happens when one does not answer. With real servers.

What a call may lose is held to the millisecond by ``RH_PROOF=full`` alone: the short form runs beside other tests.
"""

import errno
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import BaseCache
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from cache_servers import MemcachedServer, RedisServer, TCPProxy
from clock import Clock, eventually
from django_routehandlers.caching.breaker import Breaker
from django_routehandlers.caching.deadlines import TimedCalls
from django_routehandlers.caching.django_store import make_backend
from django_routehandlers.caching.stores import EPOCH, Store, StoreError, open_store

BACKENDS = "django.core.cache.backends"
KINDS = ["redis", "memcached", "locmem", "file", "database"]
BUSY = 0.0 if os.environ.get("RH_PROOF") == "full" else 0.5  # seconds that others may take from a call
BODY = b"\x00\xff body \x80\x05\r\n"


@pytest.fixture(scope="module")
def memcached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemcachedServer]:
    """A memcached that the tests of this file share."""
    with MemcachedServer(tmp_path_factory.mktemp("memcached")) as server:
        yield server


@pytest.fixture
def own_memcached(tmp_path: Path) -> Iterator[MemcachedServer]:
    """A memcached that the test may break."""
    with MemcachedServer(tmp_path) as server:
        yield server


@pytest.fixture
def open_(settings: Settings) -> Iterator[Callable[..., Any]]:
    """Open the store for a backend, and close it in the end."""
    opened: list[Store] = []

    def open_backend(
        backend: str, location: object = "", *, timeout: float = 0.04, is_patient: bool = False, **params: object
    ) -> Store:
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location, **params}}
        opened.append(open_store("default", timeout, is_patient=is_patient))
        return opened[-1]

    yield open_backend
    for store in opened:
        store.close()


def open_redis(open_: Callable[..., Any], server: RedisServer, **params: Any) -> Any:
    """Return a store in a Redis server."""
    return open_(f"{BACKENDS}.redis.RedisCache", server.url, **params)


def open_memcached(open_: Callable[..., Any], server: MemcachedServer, **params: Any) -> Any:
    """Return a store in a memcached."""
    return open_(f"{BACKENDS}.memcached.PyMemcacheCache", server.address, **params)


@pytest.fixture
def store(request: pytest.FixtureRequest, open_: Callable[..., Any], tmp_path: Path) -> Store:
    """A store of the kind that the test is run for, with time enough for a busy machine."""
    match request.param:
        case "redis":
            server = request.getfixturevalue("redis")
            server.flush()
            return open_redis(open_, server, timeout=5)
        case "memcached":
            server = request.getfixturevalue("memcached")
            server.restart()
            return open_memcached(open_, server, timeout=5)
        case "file":
            return open_(f"{BACKENDS}.filebased.FileBasedCache", str(tmp_path / "cache"), timeout=5)
        case "database":
            request.getfixturevalue("db")
            store = open_(f"{BACKENDS}.db.DatabaseCache", "cache_table")
            call_command("createcachetable", verbosity=0)
            return store
        case _:
            return open_(f"{BACKENDS}.locmem.LocMemCache", str(tmp_path))


every_kind = pytest.mark.parametrize("store", KINDS, indirect=True)


def error_of(call: Callable[[], object]) -> tuple[str, float]:
    """Return what a call fails with, and after how many seconds."""
    began = time.perf_counter()
    with pytest.raises(StoreError) as caught:
        call()
    return str(caught.value), time.perf_counter() - began


def answers(store: Store) -> bool:
    """Return whether a store answers."""
    try:
        store.get_many(["any"])
    except StoreError:
        return False
    return True


# Every kind keeps bytes


@every_kind
def test_values_come_back_as_they_were(store: Store) -> None:
    store.set_many({"a": BODY, "b": b"", "c": b"7"}, None)
    assert store.get_many(["a", "b", "c", "d"]) == {"a": BODY, "b": b"", "c": b"7"}


@every_kind
def test_nothing_is_asked_and_nothing_is_found(store: Store) -> None:
    assert store.get_many([]) == {}


@every_kind
def test_a_value_is_there_for_its_lifetime(store: Store) -> None:
    store.set_many({"short": b"1"}, 1)
    store.set_many({"long": b"1"}, 40 * 24 * 3600)
    assert store.get_many(["short", "long"]) == {"short": b"1", "long": b"1"}
    eventually(lambda: store.get_many(["short", "long"]) == {"long": b"1"})


@every_kind
def test_add_writes_only_what_is_missing(store: Store) -> None:
    assert [store.add("a", b"1", 60), store.add("a", b"2", 60)] == [True, False]
    assert store.get_many(["a"]) == {"a": b"1"}


@every_kind
def test_add_many_writes_only_what_is_missing(store: Store) -> None:
    store.add("b", b"1", 60)
    assert store.add_many({"a": b"2", "b": b"2", "c": b"2"}, 60) == {"a", "c"}
    assert store.get_many(["a", "b", "c"]) == {"a": b"2", "b": b"1", "c": b"2"}
    assert store.add_many({}, 60) == set()


@every_kind
def test_a_holder_that_outlived_its_turn_does_not_remove_that_of_another(store: Store) -> None:
    """Invariant 36: only who holds it removes it."""
    store.add("turn", b"first", 60)
    store.remove_own("turn", b"second")
    assert store.get_many(["turn"]) == {"turn": b"first"}
    store.remove_own("turn", b"first")
    assert store.get_many(["turn"]) == {}


@every_kind
def test_a_turn_of_a_process_that_died_ends(store: Store) -> None:
    """Invariant 37: a lock has a time after which it is free."""
    assert store.add("turn", b"dead", 1)
    eventually(lambda: store.add("turn", b"alive", 60), within=3)


@every_kind
def test_values_that_are_no_bytes_count_as_missing(store: Store) -> None:
    """Invariant 17: what somebody else has left there is a miss."""
    backend = caches["default"]
    backend.set_many({"text": "body", "number": 7, "list": [b"1"]})
    backend.close()
    store.set_many({"bytes": b"1"}, None)
    found = store.get_many(["text", "number", "list", "bytes"])
    if store.confirms_writes and store.is_shared:
        # Redis holds nothing but bytes. That they are not ours, their reader sees.
        assert {key: found[key] for key in ("number", "bytes")} == {"number": b"7", "bytes": b"1"}
    else:
        assert found == {"bytes": b"1"}


@every_kind
def test_threads_do_not_read_each_others_answers(store: Store) -> None:
    if store.needs_request_thread:
        pytest.skip("Each thread has a database connection of its own.")
    store.set_many({f"key{n}": str(n).encode() for n in range(16)}, None)
    wrong: list[object] = []

    def read(n: int) -> None:
        for _ in range(100):
            found = store.get_many([f"key{n}"])
            if found != {f"key{n}": str(n).encode()}:
                wrong.append(found)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@every_kind
def test_a_closed_store_opens_again(store: Store) -> None:
    store.set_many({"a": b"1"}, None)
    store.close()
    assert store.get_many(["a"]) == {"a": b"1"}


@pytest.mark.parametrize("store", ["redis", "memcached", "file"], indirect=True)
def test_a_fork_opens_connections_of_its_own(store: Store) -> None:
    store.set_many({"a": b"1"}, None)
    reader, writer = os.pipe()
    # The child does nothing but ask the store; Python warns of forks of processes with threads.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        child = os.fork()
    if not child:
        try:
            os.write(writer, store.get_many(["a"]).get("a", b"missing"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"1"
    assert store.get_many(["a"]) == {"a": b"1"}
    os.close(reader)
    os.close(writer)


def facts(store: Store) -> tuple[bool, bool, bool, bool]:
    """Return what kind of store it is."""
    return store.is_shared, store.blocks, store.is_void, store.needs_request_thread


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("redis", (True, True, False, False)),
        ("memcached", (True, True, False, False)),
        ("locmem", (False, False, False, False)),
        ("file", (True, True, False, False)),
        ("database", (True, True, False, True)),
    ],
    indirect=["store"],
)
def test_a_store_says_what_it_is(store: Store, expected: tuple[bool, ...]) -> None:
    assert facts(store) == expected


def test_a_dummy_keeps_nothing(open_: Callable[..., Any]) -> None:
    store = open_(f"{BACKENDS}.dummy.DummyCache")
    store.set_many({"a": b"1"}, None)
    assert (facts(store), store.add("a", b"1", 60), store.get_many(["a"])) == ((False, False, True, False), True, {})
    assert store.add_many({"a": b"1"}, 60) == {"a"}


def test_a_backend_that_is_not_there_is_named(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.locmem.LocMemCache"}}
    with pytest.raises(InvalidCacheBackendError, match=r"CACHES has no 'other'. Its keys: 'default'."):
        open_store("other")


# Redis


class Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_in_redis_is_not_unpickled(open_: Callable[..., Any], redis: RedisServer, tmp_path: Path) -> None:
    """Invariant 17: who may write to Redis does not run code here."""
    store = open_redis(open_, redis, timeout=5)
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    store.set_many({"entry": bomb}, None)
    assert store.get_many(["entry"]) == {"entry": bomb}
    assert not (tmp_path / "exploded").exists()
    # That it would have exploded:
    caches["default"].get("entry")
    assert (tmp_path / "exploded").exists()


def test_a_key_of_another_type_in_redis_is_missing(open_: Callable[..., Any], redis: RedisServer) -> None:
    """Invariant 17: a foreign value is a miss."""
    store = open_redis(open_, redis, timeout=5)
    redis.tell("DEL :1:list")
    redis.tell("RPUSH :1:list x")
    store.set_many({"value": b"1"}, None)
    assert store.get_many(["list", "value"]) == {"value": b"1"}


def test_keys_in_redis_have_prefix_and_version(open_: Callable[..., Any], redis: RedisServer) -> None:
    redis.flush()
    store = open_redis(open_, redis, timeout=5, KEY_PREFIX="shop", VERSION=3)
    store.set_many({"e:1": b"1"}, 60)
    assert redis.tell("KEYS *") == b"*1\r\n$10\r\nshop:3:e:1\r\n"


@pytest.mark.parametrize(
    ("location", "params"),
    [
        ("{url}", {"OPTIONS": {"db": 3}}),
        ("{url}/3", {}),
        ("{url}?db=3&socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=yes&decode_responses=yes", {}),
        ("{url}/3;redis://127.0.0.1:1", {}),
        (["{url}/3", "redis://127.0.0.1:1"], {}),
        (
            "{url}/3",
            {
                "OPTIONS": {
                    "pool_class": "redis.BlockingConnectionPool",
                    "parser_class": "redis.connection._RESP2Parser",
                    "max_connections": 1,
                    "timeout": 20,
                    "decode_responses": True,
                    "socket_timeout": 60,
                    "protocol": 3,
                }
            },
        ),
        ("{url}/3", {"OPTIONS": {"pool_class": "redis.ConnectionPool", "client_name": "shop"}}),
    ],
)
def test_redis_is_reached_as_its_settings_say(
    open_: Callable[..., Any], redis: RedisServer, location: Any, params: dict[str, object]
) -> None:
    """Where they say more than where the server is, time limits are still ours, and bytes stay bytes."""
    redis.flush()
    fill = [one.format(url=redis.url) for one in location] if isinstance(location, list) else None
    store = open_(f"{BACKENDS}.redis.RedisCache", fill or location.format(url=redis.url), timeout=0.5, **params)
    store.set_many({"a": b"\xff"}, 60)
    assert store.get_many(["a"]) == {"a": b"\xff"}
    assert b"db3:keys=1" in redis.tell("INFO keyspace")
    redis.pause()
    try:
        assert error_of(lambda: store.get_many(["a"]))[1] < 1.5
    finally:
        redis.resume()


def test_an_error_of_redis_does_not_quote_the_value(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    store = open_redis(open_, own_redis, timeout=5)
    own_redis.make_read_only()
    message, _ = error_of(lambda: store.set_many({"entry": b"secret"}, 60))
    assert message == "CACHES['default'] refuses: You can't write against a read only replica."


def test_a_full_redis_refuses_values_and_is_still_read(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    """Invariant 45: out of memory."""
    store = open_redis(open_, own_redis, timeout=5)
    store.set_many({"a": b"1", "large": b"x" * 2_000_000}, None)
    own_redis.set_maxmemory("1mb")
    for write in (
        lambda: store.set_many({"b": b"x" * 1000}, 60),
        lambda: store.add("b", b"1", 60),
    ):
        assert "command not allowed when used memory > 'maxmemory'" in error_of(write)[0]
        assert store.get_many(["a", "b"]) == {"a": b"1"}
    with pytest.raises(StoreError):
        store.set_many({"c": b"1", "d": b"1"}, None)
    own_redis.set_maxmemory("0")
    store.set_many({"b": b"2"}, 60)
    assert store.get_many(["a", "b"]) == {"a": b"1", "b": b"2"}


def test_a_redis_that_is_read_only_is_still_read(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    """Invariant 45: read-only."""
    store = open_redis(open_, own_redis, timeout=5)
    store.set_many({"a": b"1"}, None)
    own_redis.make_read_only()
    for write in (
        lambda: store.set_many({"a": b"2"}, 60),
        lambda: store.add("b", b"1", 60),
        lambda: store.remove_own("a", b"1"),
    ):
        assert "read only" in error_of(write)[0]
        assert store.get_many(["a"]) == {"a": b"1"}


def test_redis_says_who_it_is_where_it_is_asked(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    """Invariant 41: in one step with what is read, and otherwise in each life of the server."""
    store = open_redis(open_, own_redis, timeout=5)
    store.set_many({"a": b"1"}, 60)
    first = store.get_many(["a", EPOCH, "b"])
    assert (set(first), first["a"], len(first[EPOCH])) == ({"a", EPOCH}, b"1", 8)
    store.close()
    assert [store.get_many([EPOCH, "a"]), store.get_many([EPOCH])] == [first, {EPOCH: first[EPOCH]}]
    own_redis.restart()
    eventually(lambda: answers(store))
    assert store.get_many([EPOCH])[EPOCH] != first[EPOCH]


def test_keys_of_redis_are_added_in_one_trip(open_: Callable[..., Any], redis: RedisServer) -> None:
    redis.flush()
    with TCPProxy(redis.port) as slow:
        store = open_(f"{BACKENDS}.redis.RedisCache", slow.url, timeout=5)
        eventually(lambda: answers(store))
        slow.delay = 0.05
        began = time.monotonic()
        assert len(store.add_many({f"key{n}": b"1" for n in range(100)}, 60)) == 100
        assert time.monotonic() - began < 1
        store.close()


# Servers that do not answer


def test_a_stopped_redis_fails_at_once(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    """Invariant 45: down. A request loses less than 50 ms."""
    store = open_redis(open_, own_redis, timeout=1)
    store.set_many({"a": b"1"}, None)
    own_redis.stop()
    assert error_of(lambda: store.get_many(["a"]))[1] < 0.05 + BUSY
    assert "since it last failed" in error_of(lambda: store.set_many({"a": b"2"}, None))[0]


def test_a_stopped_memcached_fails_at_once(open_: Callable[..., Any], own_memcached: MemcachedServer) -> None:
    """Invariant 45: down. A request loses less than 50 ms."""
    store = open_memcached(open_, own_memcached, timeout=1)
    store.set_many({"a": b"1"}, None)
    own_memcached.stop()
    assert error_of(lambda: store.get_many(["a"]))[1] < 0.05 + BUSY
    assert "since it last failed" in error_of(lambda: store.set_many({"a": b"2"}, None))[0]


@pytest.mark.parametrize("was_used", [True, False], ids=["connected", "not-connected"])
@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_hung_server_costs_its_timeout_once(
    kind: str, was_used: bool, open_: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    """Invariant 45: hung, whichever operation is the first to meet it. Django's own client waits for ever."""
    server = request.getfixturevalue(f"own_{kind}")
    open_kind = open_redis if kind == "redis" else open_memcached
    for first in (
        lambda store: store.get_many(["a"]),
        lambda store: store.set_many({"a": b"x" * 100_000}, 60),
        lambda store: store.add("a", b"1", 60),
        lambda store: store.remove_own("a", b"1"),
    ):
        store = open_kind(open_, server)
        if was_used:
            eventually(lambda store=store: answers(store))
        server.pause()
        try:
            assert error_of(lambda first=first, store=store: first(store))[1] < 0.06 + BUSY
            later = [error_of(lambda store=store: store.get_many(["a"])) for _ in range(20)]
            assert [text for text, _ in later if "since it last failed" not in text] == []
            assert sorted(seconds for _, seconds in later)[10] < 0.001 + BUSY / 50
        finally:
            server.resume()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_server_that_hangs_for_long_collects_no_threads(
    kind: str, open_: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    """Invariant 45: 200 requests a second, of which none waits; within a second of the end all is well."""
    server = request.getfixturevalue(f"own_{kind}")
    store = (open_redis if kind == "redis" else open_memcached)(open_, server)
    eventually(lambda: answers(store))
    before = threading.active_count()
    server.pause()
    most, lost = 0, [0.0]
    try:
        assert not answers(store)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            lost.append(error_of(lambda: store.get_many(["a"]))[1])
            most = max(most, threading.active_count() - before)
            time.sleep(0.005)
    finally:
        server.resume()
    # A probe, and for memcached the few threads of the calls.
    assert most <= 5
    assert sorted(lost)[len(lost) // 2] < 0.01
    assert sorted(lost)[int(len(lost) * 0.99)] < 0.01 + BUSY
    eventually(lambda: answers(store))


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_server_that_comes_back_is_used_within_seconds(
    kind: str, open_: Callable[..., Any], request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariants 41 and 45: down for a while, then back without what it held. Both are logged once."""
    server = request.getfixturevalue(f"own_{kind}")
    store = (open_redis if kind == "redis" else open_memcached)(open_, server)
    store.set_many({"a": b"1"}, None)
    recovered: list[float] = []
    store.on_recovery(lambda: recovered.append(time.monotonic()))
    server.stop()
    caplog.set_level(logging.INFO, "django_routehandlers.cache")
    for _ in range(100):
        assert not answers(store)
        time.sleep(0.01)
    server.start()
    started = time.monotonic()
    eventually(lambda: answers(store))
    assert time.monotonic() - started < 2.5
    assert store.get_many(["a"]) == {}
    assert len(recovered) == 1
    first, last = [record.getMessage() for record in caplog.records if record.name == "django_routehandlers.cache"]
    assert first.startswith("CACHES['default'] does not answer: ")
    assert last == "CACHES['default'] answers again."


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_server_that_was_restarted_is_empty_and_answers(
    kind: str, open_: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(f"own_{kind}")
    store = (open_redis if kind == "redis" else open_memcached)(open_, server, timeout=5)
    store.set_many({"a": b"1"}, None)
    server.restart()
    eventually(lambda: answers(store))
    assert store.get_many(["a"]) == {}


def test_a_flushed_redis_is_empty(open_: Callable[..., Any], own_redis: RedisServer) -> None:
    store = open_redis(open_, own_redis, timeout=5)
    store.set_many({"a": b"1"}, None)
    own_redis.flush()
    assert store.get_many(["a"]) == {}


def test_a_value_that_memcached_does_not_take_is_an_error(
    open_: Callable[..., Any], memcached: MemcachedServer
) -> None:
    """It concerns that value alone."""
    store = open_memcached(open_, memcached, timeout=5)
    with pytest.raises(StoreError):
        store.set_many({"big": b"x" * 3_000_000}, 60)
    store.set_many({"small": b"1"}, 60)
    assert store.get_many(["big", "small"]) == {"small": b"1"}


@pytest.mark.slow
def test_a_memcached_among_several_is_not_replaced_by_another(
    open_: Callable[..., Any], own_memcached: MemcachedServer, memcached: MemcachedServer
) -> None:
    """Invariant 41: one that is back would have what was invalidated while it was away."""
    both = [own_memcached.address, memcached.address]
    open_(f"{BACKENDS}.memcached.PyMemcacheCache", both)
    backend = make_backend("default", 0.5)
    keys = [f"key{n}" for n in range(20)]
    assert backend.set_many(dict.fromkeys(keys, b"1")) == []
    own_memcached.stop()

    def refused() -> set[str]:
        return {key for key in keys if fails(lambda key=key: backend.set(key, b"2"))}

    first = refused()
    assert 0 < len(first) < 20
    # By itself the client skips a server that has failed, then takes it for dead and goes to another.
    for _ in range(2):
        time.sleep(1.05)
        assert refused() == first
    backend.close()


def fails(call: Callable[[], object]) -> bool:
    """Return whether a call fails, in whatever way."""
    try:
        call()
    except Exception:
        return True
    return False


def test_a_store_in_several_servers_is_down_while_one_of_them_is(
    open_: Callable[..., Any], own_memcached: MemcachedServer, memcached: MemcachedServer
) -> None:
    both = [own_memcached.address, memcached.address]
    store = open_(f"{BACKENDS}.memcached.PyMemcacheCache", both, timeout=0.5)
    keys = [f"key{n}" for n in range(20)]
    store.set_many(dict.fromkeys(keys, b"1"), None)
    own_memcached.stop()
    error_of(lambda: store.get_many(keys))
    for _ in range(100):
        assert not answers(store)
        time.sleep(0.01)
    own_memcached.start()
    eventually(lambda: answers(store))


def test_a_slow_redis_is_left_alone_after_three_calls(open_: Callable[..., Any], redis: RedisServer) -> None:
    """Invariant 45: slow, though each answer comes in time."""
    with TCPProxy(redis.port) as slow:
        store = open_(f"{BACKENDS}.redis.RedisCache", slow.url, timeout=0.5)
        eventually(lambda: answers(store))
        slow.delay = 0.3
        assert [answers(store) for _ in range(4)] == [True, True, True, False]
        slow.delay = 0
        eventually(lambda: answers(store))
        store.close()


def test_a_patient_store_leaves_a_redis_alone_whose_calls_take_too_long_as_a_whole(
    open_: Callable[..., Any], redis: RedisServer
) -> None:
    """Invariant 45: each trip to the server ends in time, and three of them do not."""
    with TCPProxy(redis.port) as slow:
        store = open_(f"{BACKENDS}.redis.RedisCache", slow.url, timeout=0.5, is_patient=True)
        script = store.prepare("return 1")
        assert store.run(script, (), ()) == 1
        slow.delay = 0.3
        for _ in range(3):
            redis.tell("SCRIPT FLUSH")
            assert store.run(script, (), ()) == 1
        assert "since it last failed" in error_of(lambda: store.run(script, (), ()))[0]
        slow.delay = 0
        eventually(lambda: not store.is_out)


# Backends of Django's and of others


class FailingCache(BaseCache):
    """Raises an error of its own kind."""

    class Error(Exception):
        pass

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        raise self.Error

    def set(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> None:
        raise self.Error


class FullCache(BaseCache):
    """Is on a disk that is full."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return b"there"

    def set(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class OtherCache(BaseCache):
    """A third party's, which hangs."""

    wait = threading.Event()

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        self.wait.wait(10)
        return default


def test_a_backend_of_others_that_hangs_is_left_alone(open_: Callable[..., Any]) -> None:
    """Invariant 45: also where the backend knows no timeouts."""
    OtherCache.wait.clear()
    store = open_(f"{__name__}.OtherCache")
    assert error_of(lambda: store.get_many(["a"]))[1] < 0.06 + BUSY
    assert "since it last failed" in error_of(lambda: store.get_many(["a"]))[0]
    OtherCache.wait.set()
    eventually(lambda: answers(store))


def test_a_backend_of_others_that_fails_is_left_alone(open_: Callable[..., Any]) -> None:
    """Invariant 45: whatever it raises."""
    store = open_(f"{__name__}.FailingCache")
    assert "refuses" in error_of(lambda: store.set_many({"a": b"1"}, 60))[0]
    assert "does not answer" in error_of(lambda: store.get_many(["a"]))[0]
    assert "since it last failed" in error_of(lambda: store.get_many(["a"]))[0]


def test_a_corrupt_file_counts_as_missing(open_: Callable[..., Any], tmp_path: Path) -> None:
    """Invariant 17: corrupt or cut off."""
    store = open_(f"{BACKENDS}.filebased.FileBasedCache", str(tmp_path / "cache"), timeout=5)
    for content in (b"", b"\x80", b"no pickle", b"\x80\x04K\x01."):
        store.set_many({"good": b"1", "bad": b"2"}, 60)
        bad = Path(caches["default"]._key_to_file("bad"))
        bad.write_bytes(content)
        assert store.get_many(["good", "bad"]) == {"good": b"1"}


def test_a_full_disk_does_not_keep_values_from_being_read(open_: Callable[..., Any]) -> None:
    """Invariant 45: read-only, for what is no server."""
    store = open_(f"{__name__}.FullCache")
    for write in (lambda: store.set_many({"a": b"1"}, 60), lambda: store.add("a", b"1", 60)):
        assert "No space left on device" in error_of(write)[0]
        assert store.get_many(["a"]) == {"a": b"there"}


@pytest.mark.django_db(transaction=True)
def test_a_database_without_the_table_is_tried_again_by_a_caller(open_: Callable[..., Any]) -> None:
    """Its connection is the thread's own, so nobody else can find out."""
    store = open_(f"{BACKENDS}.db.DatabaseCache", "missing_table")
    assert "does not answer" in error_of(lambda: store.get_many(["a"]))[0]
    assert "since it last failed" in error_of(lambda: store.get_many(["a"]))[0]
    call_command("createcachetable", verbosity=0)
    try:
        eventually(lambda: answers(store))
        store.set_many({"a": b"1"}, 60)
        assert store.get_many(["a"]) == {"a": b"1"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE missing_table")


# A database in a transaction


def test_a_database_in_a_transaction_is_read_and_not_written(open_: Callable[..., Any], transactional_db: None) -> None:
    """Invariant 40: what a rollback would take back has not been told to anybody."""
    store = open_(f"{BACKENDS}.db.DatabaseCache", "cache_table")
    call_command("createcachetable", verbosity=0)
    try:
        store.set_many({"a": b"1"}, 60)
        assert store.is_in_transaction is False
        with transaction.atomic():
            assert store.is_in_transaction is True
            for write in (
                lambda: store.set_many({"a": b"2"}, 60),
                lambda: store.set_many({"a": b"2"}, 60, patiently=True),
                lambda: store.add("b", b"2", 60),
                lambda: store.add_many({"b": b"2"}, 60),
                lambda: store.remove_own("a", b"1"),
            ):
                assert error_of(write)[0] == (
                    "CACHES['default'] is in a transaction of this thread, which might take back what is written."
                )
            assert store.get_many(["a", "b"]) == {"a": b"1"}
        assert store.is_in_transaction is False
        store.set_many({"a": b"2"}, 60)
        assert store.get_many(["a"]) == {"a": b"2"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE cache_table")


def test_a_database_without_autocommit_is_in_a_transaction(open_: Callable[..., Any], transactional_db: None) -> None:
    store = open_(f"{BACKENDS}.db.DatabaseCache", "cache_table")
    connection.ensure_connection()
    transaction.set_autocommit(False)
    try:
        assert store.is_in_transaction is True
    finally:
        transaction.set_autocommit(True)
    connection.close()
    assert store.is_in_transaction is False


def test_the_transaction_around_a_test_is_none(open_: Callable[..., Any], db: None) -> None:
    store = open_(f"{BACKENDS}.db.DatabaseCache", "cache_table")
    assert store.is_in_transaction is False
    with transaction.atomic():
        assert store.is_in_transaction is True


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_server_is_waited_for_where_a_write_must_not_be_lost(
    kind: str, open_: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    """Invariant 45: a moment without an answer, such as a save."""
    server = request.getfixturevalue(f"own_{kind}")
    store = (open_redis if kind == "redis" else open_memcached)(open_, server)
    store.set_many({"a": b"1"}, 60, patiently=True)
    server.pause()
    resume = threading.Timer(0.2, server.resume)
    resume.start()
    began = time.monotonic()
    store.set_many({"a": b"2"}, 60, patiently=True)
    assert 0.15 < time.monotonic() - began < 0.5 + BUSY
    resume.join()
    assert store.get_many(["a"]) == {"a": b"2"}


# The breaker, by a clock of ours


def fail() -> None:
    """Be a cache that is down."""
    raise ConnectionRefusedError("down")


def test_pauses_double_up_to_a_second() -> None:
    clock = Clock()
    breaker = Breaker("it", clock=clock)
    tried: list[float] = []

    def note() -> None:
        tried.append(clock.now - 100)
        fail()

    for _ in range(400):
        with pytest.raises(StoreError):
            breaker.call(note)
        clock.now += 0.01
    assert [round(moment, 2) for moment in tried] == [0.0, 0.25, 0.75, 1.75, 2.75, 3.75]


def test_one_caller_at_a_time_finds_out_where_there_is_no_probe() -> None:
    clock = Clock()
    breaker = Breaker("it", clock=clock)
    error_of(lambda: breaker.call(fail))
    clock.now += 0.3
    inner: list[str] = []

    def outer() -> str:
        inner.append(error_of(lambda: breaker.call(fail))[0])
        return "answer"

    assert breaker.call(outer) == "answer"
    assert inner == ["it has not answered since it last failed."]
    assert breaker.call(lambda: "closed") == "closed"


def test_no_caller_pays_where_there_is_a_probe() -> None:
    clock = Clock()
    is_up, asked = threading.Event(), threading.Event()

    def probe() -> None:
        asked.set()
        assert is_up.wait(5)

    breaker = Breaker("it", probe=probe, clock=clock)
    error_of(lambda: breaker.call(fail))
    clock.now += 0.3
    calls: list[str] = []
    for _ in range(50):
        error_of(lambda: breaker.call(calls.append, "paid"))
    assert asked.wait(5)
    assert calls == []
    is_up.set()
    eventually(lambda: not breaker.is_open)
    breaker.call(calls.append, "answered")
    assert calls == ["answered"]


def test_a_cache_is_probed_until_it_answers_though_nobody_calls() -> None:
    """Reliability F4: the first call after an outage is served, however late it comes."""
    answers = iter([False, False, True])

    def probe() -> None:
        if not next(answers):
            fail()

    breaker = Breaker("it", probe=probe)
    error_of(lambda: breaker.call(fail))
    eventually(lambda: not breaker.is_open)
    assert list(answers) == []
    assert breaker.call(lambda: "answer") == "answer"


def test_a_breaker_that_rests_probes_no_more_until_it_is_called() -> None:
    probed = threading.Semaphore(0)

    def probe() -> None:
        probed.release()
        fail()

    breaker = Breaker("it", probe=probe)
    error_of(lambda: breaker.call(fail))
    assert probed.acquire(timeout=5)
    breaker.rest()
    assert not probed.acquire(timeout=0.7)
    error_of(lambda: breaker.call(fail))
    assert probed.acquire(timeout=5)
    breaker.rest()


def test_a_breaker_that_is_woken_lets_the_next_call_find_out() -> None:
    """At the end of a process: no thread can be started for a probe, and nobody comes later."""
    breaker = Breaker("it", probe=fail, clock=Clock())
    breaker.wake()
    error_of(lambda: breaker.call(fail))
    breaker.wake()
    assert error_of(lambda: breaker.call(fail))[0].startswith("it does not answer")
    assert error_of(lambda: breaker.call(fail))[0] == "it has not answered since it last failed."
    breaker.wake()
    assert breaker.call(lambda: "answer") == "answer"
    assert not breaker.is_open


def test_a_refusal_of_one_call_leaves_the_breaker_closed() -> None:
    breaker = Breaker("it", clock=Clock())

    def refuse() -> None:
        raise StoreError("full")

    assert error_of(lambda: breaker.call(refuse))[0] == "full"
    assert not breaker.is_open


def test_a_fast_answer_forgives_slow_ones() -> None:
    clock = Clock()
    breaker = Breaker("it", slow=0.02, clock=clock)

    def take(seconds: float) -> None:
        clock.now += seconds

    for seconds in (0.03, 0.03, 0.01, 0.03, 0.03):
        breaker.call(take, seconds)
    assert not breaker.is_open
    breaker.call(take, 0.03)
    assert breaker.is_open


def test_what_follows_a_recovery_may_fail() -> None:
    clock = Clock()
    breaker = Breaker("it", clock=clock)
    called: list[str] = []

    def settle() -> None:
        called.append("settle")
        raise StoreError("still full")

    breaker.on_recovery(settle)
    breaker.on_recovery(lambda: called.append("next"))
    error_of(lambda: breaker.call(fail))
    clock.now += 0.3
    assert breaker.call(lambda: "answer") == "answer"
    assert called == ["settle", "next"]


def test_timed_calls_keep_to_few_threads() -> None:
    calls = TimedCalls(0.01)
    go_on = threading.Event()
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            calls.run(go_on.wait, 5)
    assert threading.active_count() - before == 4
    go_on.set()
    eventually(lambda: calls_work(calls))
    calls.close()
    eventually(lambda: threading.active_count() <= before)


def calls_work(calls: TimedCalls) -> bool:
    """Return whether there is a thread for a call."""
    try:
        return calls.run(lambda: True)
    except TimeoutError:
        return False


def test_a_timed_call_may_have_a_limit_of_its_own() -> None:
    calls = TimedCalls(0.01)
    assert calls.run_within(5, lambda: time.sleep(0.05) or "done") == "done"
    calls.close()


def test_a_call_that_no_thread_can_be_started_for_is_made_by_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the process Python starts none."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    calls = TimedCalls(0.01)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert calls.run(threading.get_ident) == threading.get_ident()


def test_errors_of_timed_calls_reach_the_caller() -> None:
    calls = TimedCalls(5)
    with pytest.raises(DatabaseError, match="gone"):
        calls.run(raise_, DatabaseError("gone"))
    calls.close()


def raise_(error: Exception) -> None:
    """Raise an error."""
    raise error
