"""How this machine reaches others: certificate authorities, proxies, and which addresses a host name may stand for."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from dinolabel.studio.media.loopback import is_loopback
from dinolabel.vision.errors import MediaRefused, SettingsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """ca_bundle: PEM file of the authorities to trust instead of the usual ones. proxy: its URL, "" for what the environment says.

    no_proxy: hosts reached without it. private: networks (`10.0.0.0/8`) that pictures may come from; other private addresses are refused.
    Raises SettingsError for a file that is not there or a network that is none.
    """

    ca_bundle: Path | None = None
    proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ca_bundle is not None and not self.ca_bundle.is_file():
            raise SettingsError(f"There is no file {self.ca_bundle}.", hint="DINOLABEL_CA_BUNDLE names a PEM file of certificates.")
        if self.proxy and (urlsplit(self.proxy).scheme not in {"http", "https"} or not urlsplit(self.proxy).hostname):
            raise SettingsError(f"{self.proxy!r} is no address of a proxy.", hint="Write DINOLABEL_PROXY like http://proxy.example:3128.")
        try:
            for each in self.private:
                ipaddress.ip_network(each)
        except ValueError as error:
            raise SettingsError(f"{each!r} is no network.", hint="Write DINOLABEL_MEDIA_NETWORKS like 10.0.0.0/8.") from error

    def session(self, url: str) -> requests.Session:
        """For requests to url's host. Our own loopback is never behind a proxy."""
        session = requests.Session()
        session.trust_env = not is_loopback(urlsplit(url).hostname or "")
        return session

    def options(self, url: str) -> dict[str, Any]:
        """What a request to url takes. Per request, because requests lets the environment overrule a session's own."""
        options: dict[str, Any] = {} if self.ca_bundle is None else {"verify": str(self.ca_bundle)}
        if self.proxy and not is_loopback(urlsplit(url).hostname or ""):
            # An empty address means none, and keeps requests from taking the environment's.
            chosen = "" if should_bypass_proxies(url, ",".join(self.no_proxy)) else self.proxy
            options["proxies"] = {"http": chosen, "https": chosen}
        return options

    def guarded_session(self, url: str, *, named: Callable[[str], bool]) -> requests.Session:
        """A session that connects to no private address but those in `private`. named: whether an address literal was named by settings.

        The very address that was allows is connected to, so a name that changes its address between two look-ups gains nothing. Behind a
        proxy it is the proxy that looks up names, and its rules that hold. Raises MediaRefused for a private address written out.
        """
        session, host = self.session(url), urlsplit(url).hostname or ""

        def allows(host: str, address: Address) -> bool:
            return _is_public(address) or any(address in ipaddress.ip_network(each) for each in self.private) or named(host)

        if is_literal(host):  # no look-up will happen, and a proxy would be asked for it as it stands
            _check_addresses(host, addresses(host, 0), allows)
        session.mount("http://", _GuardedAdapter(allows))
        session.mount("https://", _GuardedAdapter(allows))
        return session


USUAL = NetworkSettings()
"""As the environment says."""


def is_literal(host: str) -> bool:
    """Whether a host is an address itself or `localhost`, which nobody else decides the meaning of."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    return True


def addresses(host: str, port: int) -> list[Address]:
    """What a host name stands for, in the order the system would try. Raises OSError."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_unmap(ipaddress.ip_address(str(each[4][0]).partition("%")[0])) for each in found))


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, allows: Callable[[str, Address], bool]) -> None:
        self._judged = allows
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._judged)


def _pools(allows: Callable[[str, Address], bool]) -> dict[str, type[HTTPConnectionPool]]:
    def connect(connection: HTTPConnection, plain: Callable[[], socket.socket]) -> socket.socket:
        host, last = connection._dns_host, OSError("no address")
        for address in _check_addresses(host, addresses(host, connection.port or 0), allows):
            connection._dns_host = str(address)
            try:
                return plain()
            except OSError as error:
                last = error
            finally:
                connection._dns_host = host
        raise last

    class PlainConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, super()._new_conn)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _check_addresses(host: str, found: Sequence[Address], allows: Callable[[str, Address], bool]) -> Sequence[Address]:
    """All of them, or MediaRefused: a name with one private address among public ones is somebody's trick or mistake."""
    for each in found:
        if not allows(host, each):
            raise MediaRefused(
                f"{host} is at {each}, which is a private address.",
                hint=f"If your pictures are there: DINOLABEL_MEDIA_NETWORKS={ipaddress.ip_network(each)}, or its whole network.",
            )
    return found


def _unmap(address: Address) -> Address:
    """An IPv4 address in the clothes of IPv6 is that IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast
