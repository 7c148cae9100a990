"""Loopback: whether a host, as a URL, a header or a setting names it, is this very machine and reachable by nobody else."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """`localhost`, any name under it (RFC 6761), 127.0.0.0/8, ::1, and IPv4 loopback written as IPv6.

    Brackets, case and a name's last dot do not matter. Not 0.0.0.0 or ::, which stand for every address of the machine, and no short forms
    of addresses (`127.1`): nothing is looked up.
    """
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        labels = name.lower().removesuffix(".").split(".")
        return labels[-1] == "localhost" and all(labels)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
