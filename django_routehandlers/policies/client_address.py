"""Tell the address of a client from what it says of itself."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any


def client_network(meta: Mapping[str, Any], proxies: int) -> str:
    """
    Return the address of a client; of IPv6 the network, since a client has as many addresses there as it likes.

    ``X-Forwarded-For`` is a list to which each proxy adds whom it was asked by. Only the last entries
    are by one's own proxies: what stands before them is what the client says.

    Args:
        meta: ``request.META``.
        proxies: How many proxies of one's own stand before the server; with 0 nothing is believed.

    Returns:
        ``"192.0.2.7"``, ``"2001:db8:1:2::/64"``, or ``""`` where the server tells no address (a Unix socket).
    """
    peer = str(meta.get("REMOTE_ADDR") or "")
    if proxies:
        named = str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")
        # With fewer entries it has not come through all of them.
        if len(named) >= proxies and (network := _network(_bare(named[-proxies].strip()))):
            return network
    return _network(peer) or peer


def _network(address: str) -> str | None:
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return str(found)
    if (mapped := found.ipv4_mapped) is not None:
        return str(mapped)
    return str(IPv6Network((int(found), 64), strict=False))


def _bare(entry: str) -> str:
    """Return an entry without a port: some proxies write `192.0.2.7:4711` and `[2001:db8::1]:4711`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
