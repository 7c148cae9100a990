"""What a process and all its children connect to, as the kernel sees it: strace, so that native code is seen as well as Python's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
# {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}
FOUR = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
SIX = re.compile(r'sin6_port=htons\((\d+)\),.*?inet_pton\(AF_INET6, "([^"]+)"')
DNS = 53


@dataclass(frozen=True)
class Watch:
    """trace: the file strace writes. command: put before what is to be watched; its exit code is the watched one's."""

    trace: Path

    @property
    def command(self) -> list[str]:
        return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", CALLS, "-e", "signal=none", "-o", str(self.trace)]

    def addresses(self) -> set[tuple[str, int]]:
        """Every IP address and port something was sent to so far."""
        text = self.trace.read_text(errors="replace")
        return {(address, int(port)) for pattern in (FOUR, SIX) for port, address in pattern.findall(text)}

    def strangers(self) -> set[tuple[str, int]]:
        """Those that are not on this machine's loopback; and look-ups of names, wherever they are answered."""
        return {(address, port) for address, port in self.addresses() if port == DNS or not _loopback(address)}


def _loopback(address: str) -> bool:
    found = ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
