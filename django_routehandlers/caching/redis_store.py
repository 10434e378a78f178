"""
Turn a Redis server into a store of bytes.

Speaks to the server that Django's ``RedisCache`` is configured for, without that backend: what it
finds it unpickles, so whoever may write to the server could run code here.
"""

import hashlib
import inspect
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from django.core.cache.backends.base import BaseCache
from django.utils.module_loading import import_string

from django_routehandlers.caching.breaker import Breaker, StoreError
from django_routehandlers.caching.deadlines import PATIENCE

EPOCH = "epoch"
"""Key whose value ends where a server may have come back with what it held at an earlier time."""
# Options that say how Django's backend does what is done otherwise here.
_NOT_OURS = ("serializer", "parser_class", "pool_class", "max_connections", "timeout")
# A restart gives the process another name, a promotion the data: it may have been replicated there and back.
_WHO = re.compile(rb"^(?:run_id|master_replid|role):\S+", re.MULTILINE)
_NAMELESS = b""
# One step for the server: between two of ours the key could have become somebody else's.
_REMOVE_OWN = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

logger = logging.getLogger("django_routehandlers.cache")


class RedisStore:
    """
    Bytes in Redis. Usable from any thread, and after a fork.

    Args:
        alias: The backend's key in ``CACHES``, for log records and errors.
        backend: The backend, which gives the keys their names (``KEY_PREFIX``, ``VERSION``).
        params: The backend's settings. Of several servers the first is used, which takes the writes:
            the others lag behind.
        timeout: Seconds that a call may wait for the server.
        is_patient: Whether a server that is slow, and answers in time, is asked all the same. Else one that is
            slower than half of it three times in a row has failed.

    Source: https://redis.io/docs/latest/commands/info/ for ``run_id``, ``role`` and ``master_replid``
    """

    is_shared = True
    blocks = True
    is_void = False
    needs_request_thread = False
    confirms_writes = True
    has_epochs = True
    is_in_transaction = False

    def __init__(
        self, alias: str, backend: BaseCache, params: Mapping[str, Any], timeout: float, *, is_patient: bool = False
    ) -> None:
        import redis
        from redis.exceptions import NoPermissionError, ResponseError

        self._client: Any = redis.Redis(connection_pool=_make_pool(params, timeout))
        self._patient_client: Any = redis.Redis(connection_pool=_make_pool(params, max(timeout, PATIENCE)))
        self._client.set_response_callback("INFO", bytes)
        self._tells_who_it_is = True
        self._refusal: type[Exception] = ResponseError
        self._denial: type[Exception] = NoPermissionError
        self._name: Callable[[str], str] = backend.make_key
        self._alias = f"CACHES[{alias!r}]"
        self._breaker = Breaker(self._alias, slow=timeout if is_patient else timeout / 2, probe=self._client.ping)
        self.on_recovery, self.wake = self._breaker.on_recovery, self._breaker.wake

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one, of one moment."""
        names = [self._name(key) for key in keys if key != EPOCH]
        if EPOCH in keys:
            epoch, values = self._call(lambda: self._read_with_epoch(names))
        else:
            epoch, values = None, self._call(lambda: self._read(names))
        found = dict(zip([key for key in keys if key != EPOCH], values, strict=True))
        return {key: value for key, value in (*found.items(), (EPOCH, epoch)) if isinstance(value, bytes)}

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        """Write values for so many seconds, or for ever."""
        client = self._patient_client if patiently else self._client
        self._call(lambda: self._write(client, values, px=_milliseconds(lifetime)))

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        """Write a value for so many seconds, unless the key has one; return whether it was written."""
        return bool(self._call(lambda: self._client.set(self._name(key), value, px=_milliseconds(lifetime), nx=True)))

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        """Write a value for each key that has none, for so many seconds; return those keys."""
        answers = self._call(lambda: self._write(self._client, values, px=_milliseconds(lifetime), nx=True))
        return {key for key, answer in zip(values, answers, strict=True) if answer is True}

    def remove_own(self, key: str, value: bytes) -> None:
        """Remove a key that still holds this value."""
        self._call(lambda: self._client.eval(_REMOVE_OWN, 1, self._name(key), value))

    @property
    def is_out(self) -> bool:
        """Whether the server has failed and not answered since, so that a call fails without waiting."""
        return self._breaker.is_open

    def prepare(self, script: str) -> Any:
        """Return a Lua script for ``run()``; the server is not asked."""
        return self._client.register_script(script)

    def run(self, script: Any, keys: Sequence[str], arguments: Sequence[int]) -> Any:
        """Run a prepared script, which is one step for the server, and return its answer."""
        return self._call(lambda: script(keys=[self._name(key) for key in keys], args=arguments))

    def close(self) -> None:
        """Close the connections. A later call opens others."""
        self._breaker.rest()
        for client in (self._client, self._patient_client):
            client.connection_pool.disconnect()

    def _call(self, function: Callable[[], Any]) -> Any:
        return self._breaker.call(self._answered, function)

    def _answered(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except self._refusal as error:
            raise StoreError(f"{self._alias} refuses: {error}") from error

    def _read(self, names: Sequence[str]) -> Sequence[object]:
        return self._client.mget(names) if names else ()

    def _read_with_epoch(self, names: Sequence[str]) -> tuple[bytes, Sequence[object]]:
        if not self._tells_who_it_is:
            return _NAMELESS, self._read(names)
        # In one step: between two the server could become another's replica, and have its data.
        pipeline = self._client.pipeline(transaction=True)
        pipeline.execute_command("INFO", "server")
        pipeline.execute_command("INFO", "replication")
        if names:
            pipeline.mget(names)
        try:
            server, replication, *values = pipeline.execute()
        except self._refusal as error:
            if not isinstance(error, self._denial) and "unknown command" not in str(error).lower():
                raise
            # It may be the reading that is denied, which then shows.
            values = self._read(names)
            return self._nameless(str(error)), values
        who = sorted(_WHO.findall(server + replication))
        is_named = any(not line.startswith(b"role") for line in who)
        epoch = hashlib.blake2b(b" ".join(who), digest_size=8).digest() if is_named else self._nameless(server[:80])
        return epoch, values[0] if names else ()

    def _nameless(self, why: object) -> bytes:
        if self._tells_who_it_is:
            self._tells_who_it_is = False
            logger.warning(
                "%s does not tell who it is: %s. Once it is restarted from saved data, or replaced by a replica, "
                "what was invalidated before may be served again. Allow its user INFO, MULTI and EXEC.",
                self._alias,
                why,
            )
        return _NAMELESS

    def _write(self, client: Any, values: Mapping[str, bytes], **terms: Any) -> list[object]:
        pipeline = client.pipeline(transaction=False)
        for key, value in values.items():
            pipeline.set(self._name(key), value, **terms)
        # An error that the pipeline itself raises quotes the command, and so the value.
        answers = pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, math.ceil(seconds * 1000))


def _make_pool(params: Mapping[str, Any], timeout: float) -> Any:
    from redis import BlockingConnectionPool, ConnectionPool
    from redis.backoff import NoBackoff
    from redis.connection import AbstractConnection
    from redis.retry import Retry

    location = params.get("LOCATION", "")
    # As RedisCache splits it.
    server = location.replace(";", ",").split(",")[0] if isinstance(location, str) else location[0]
    options = cast("Mapping[str, Any]", params.get("OPTIONS") or {})
    pool_class: Any = options.get("pool_class") or ConnectionPool
    if isinstance(pool_class, str):
        pool_class = import_string(pool_class)
    # It would make callers wait for a connection, for 20 seconds.
    if issubclass(pool_class, BlockingConnectionPool):
        pool_class = ConnectionPool
    options = {name: options[name] for name in options if name not in _NOT_OURS}
    # The third version's handshake takes more trips, and its notices of maintenance lengthen timeouts.
    pool: Any = pool_class.from_url(server, **{**options, "protocol": 2})
    # Laid over those of the URL, which win in from_url().
    pool.connection_kwargs.update(
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        retry_on_error=[],
        decode_responses=False,
        health_check_interval=0,
    )
    # redis-py below 8 knows it for TCP alone.
    if "path" not in pool.connection_kwargs or "socket_connect_timeout" in _parameters(AbstractConnection):
        pool.connection_kwargs["socket_connect_timeout"] = timeout
    return pool


def _parameters(connection_class: type) -> Mapping[str, object]:
    return inspect.signature(connection_class.__init__).parameters
