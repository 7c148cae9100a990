from __future__ import annotations

import io
import ipaddress
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioUnreachable
from dinolabel.studio.media import network
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.errors import MediaRefused, MediaUnavailable, SettingsError

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def png() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), (9, 8, 7)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A host name -> what each of its look-ups says, the last one staying: a resolver that changes its mind."""
    told: dict[str, list[str]] = {}
    known = network.addresses

    def look_up(host: str, port: int) -> list[Any]:
        if host not in told:
            return known(host, port)
        now = told[host].pop(0) if len(told[host]) > 1 else told[host][0]
        return [ipaddress.ip_address(each) for each in now.split()]

    monkeypatch.setattr(network, "addresses", look_up)
    return told


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., MediaResolver]:
    return lambda **changed: MediaResolver(None, cache_dir=tmp_path / "cache", **changed)


@pytest.mark.parametrize(
    "where", ["127.0.0.1", "10.1.2.3", "192.168.0.7", "172.17.0.1", "169.254.169.254", "100.64.0.1", "::1", "fd00::1", "fe80::1", "0.0.0.0"]
)
def test_a_listed_name_that_stands_for_a_private_address_is_refused_before_anything_is_sent(
    make: Callable[..., MediaResolver], names: dict[str, list[str]], where: str
) -> None:
    names["photos.example"] = [where]
    with pytest.raises(MediaRefused, match="private address") as caught:
        make(hosts=["photos.example"]).resolve("http://photos.example/p.png")
    assert where in str(caught.value) and "DINOLABEL_MEDIA_NETWORKS" in caught.value.hint


@pytest.mark.parametrize("mapped", ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"])
def test_ipv4_in_the_clothes_of_ipv6_is_seen(mapped: str) -> None:
    assert network.addresses(mapped, 80) == [ipaddress.ip_address("10.0.0.1")]


def test_one_private_address_among_public_ones_is_enough(make: Callable[..., MediaResolver], names: dict[str, list[str]]) -> None:
    names["photos.example"] = ["93.184.215.14 10.0.0.1"]
    with pytest.raises(MediaRefused, match=r"10\.0\.0\.1"):
        make(hosts=["photos.example"]).resolve("http://photos.example/p.png")


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    make: Callable[..., MediaResolver], names: dict[str, list[str]], host: Any
) -> None:
    """A name that is allowed at its first look-up and leads elsewhere at the second is looked up once."""
    host.on("/p.png", 200, png())
    port = host.server.server_port
    names["photos.example"] = ["127.0.0.1", "10.255.255.1"]
    media = make(hosts=[f"photos.example:{port}"], network=NetworkSettings(private=("127.0.0.1/32",)))
    assert media.resolve(f"http://photos.example:{port}/p.png").read_bytes() == png()
    assert host.asked[0].headers["Host"] == f"photos.example:{port}"


def test_a_redirect_is_judged_like_the_first_address(make: Callable[..., MediaResolver], names: dict[str, list[str]], hosts: Any) -> None:
    inner = hosts().on("/p.png", 200, png())
    first = hosts().on("/p.png", 302, headers={"Location": f"http://inner.example:{inner.server.server_port}/p.png"})
    names["inner.example"] = ["127.0.0.1"]
    listed = ["inner.example", first.url.removeprefix("http://")]
    with pytest.raises(MediaRefused, match="private address"):
        make(hosts=listed).resolve(first.url + "/p.png")
    assert (len(first.asked), inner.asked) == (1, [])


def test_an_address_written_out_in_the_settings_is_meant(make: Callable[..., MediaResolver], host: Any) -> None:
    host.on("/p.png", 200, png())
    assert make(hosts=[host.url.removeprefix("http://")]).resolve(host.url + "/p.png").is_file()


def test_a_signed_redirect_may_not_lead_into_the_private_network(host: Any, hosts: Any, tmp_path: Path) -> None:
    cloud = hosts().on("/key.png", 200, png())
    host.on("/tasks/7/presign/", 303, headers={"Location": cloud.url + "/key.png"})
    client = LabelStudio(host.url, TOKEN)
    with pytest.raises(MediaRefused, match="private address"):
        MediaResolver(client, cache_dir=tmp_path).resolve("s3://bucket/key.png", task=7)
    assert cloud.asked == []
    media = MediaResolver(client, cache_dir=tmp_path, network=NetworkSettings(private=("127.0.0.0/8",)))
    assert media.resolve("s3://bucket/key.png", task=7).is_file()


def test_a_name_nobody_knows(make: Callable[..., MediaResolver]) -> None:
    with pytest.raises(MediaUnavailable):
        make(hosts=["no-such-host.invalid"]).resolve("http://no-such-host.invalid/p.png")


@pytest.mark.parametrize(
    "wrong", [{"ca_bundle": Path("/no/such.pem")}, {"proxy": "proxy:3128"}, {"proxy": "ftp://x"}, {"private": ("ten",)}]
)
def test_settings_that_make_no_sense_are_said_at_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        NetworkSettings(**wrong)
    assert "DINOLABEL_" in caught.value.hint


def test_a_proxy_from_the_settings_is_used_and_hosts_are_left_out(monkeypatch: pytest.MonkeyPatch, hosts: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    proxy = hosts().on("http://studio.example/api/version", 200, {"release": "1.23.2"})
    way = NetworkSettings(proxy=proxy.url, no_proxy=("inner.example",))
    assert LabelStudio("http://studio.example", TOKEN, network=way).version() == "1.23.2"
    assert [each.path for each in proxy.asked] == ["http://studio.example/api/version"]
    assert way.options("http://inner.example/x")["proxies"] == {"http": "", "https": ""}
    assert "proxies" not in way.options("http://127.0.0.1:8080/x")


@pytest.fixture
def https(tmp_path: Path) -> Any:
    """A Label Studio behind a certificate that only `tmp_path/own.pem` vouches for."""
    key, pem = tmp_path / "own.key", tmp_path / "own.pem"
    words = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", pem, *words], check=True, capture_output=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"release": "1.23.2"}' if self.path.startswith("/api") else png()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://localhost:{server.server_port}", pem
    server.shutdown()
    server.server_close()


def test_a_certificate_of_ones_own_is_trusted_when_named_and_only_then(
    https: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, pem = https
    with pytest.raises(StudioUnreachable, match="certificate") as caught:
        LabelStudio(url, TOKEN).version()
    assert "DINOLABEL_CA_BUNDLE" in caught.value.hint
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")  # the environment does not overrule the setting
    client = LabelStudio(url, TOKEN, network=NetworkSettings(ca_bundle=pem))
    assert client.version() == "1.23.2"
    media = MediaResolver(client, cache_dir=tmp_path / "cache")
    assert media.resolve("/data/upload/1/x.png").read_bytes() == png()
    named = [url.removeprefix("https://")]
    trusting = MediaResolver(
        None, cache_dir=tmp_path / "other", hosts=named, network=NetworkSettings(ca_bundle=pem, private=("127.0.0.0/8", "::1/128"))
    )
    assert trusting.resolve(url + "/y.png").read_bytes() == png()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(MediaUnavailable, match="certificate") as untrusted:
        MediaResolver(None, cache_dir=tmp_path / "other", hosts=named).resolve(url + "/z.png")
    assert "DINOLABEL_CA_BUNDLE" in untrusted.value.hint


def test_a_private_address_written_out_is_not_asked_of_a_proxy_either(host: Any, hosts: Any, tmp_path: Path) -> None:
    proxy = hosts()
    host.on("/tasks/7/presign/", 303, headers={"Location": "http://169.254.169.254/latest/meta-data/key.png"})
    media = MediaResolver(LabelStudio(host.url, TOKEN), cache_dir=tmp_path, network=NetworkSettings(proxy=proxy.url))
    with pytest.raises(MediaRefused, match=r"169\.254\.169\.254"):
        media.resolve("s3://bucket/key.png", task=7)
    assert proxy.asked == []


def test_downloads_from_label_studio_share_a_connection(host: Any, tmp_path: Path) -> None:
    client = LabelStudio(host.url, TOKEN)
    media = MediaResolver(client, cache_dir=tmp_path)
    for at in range(3):
        host.on(f"/data/upload/1/{at}.png", 200, png())
        media.resolve(f"/data/upload/1/{at}.png")
    assert client.api.session() is client.api.session()
    assert len(client.api.session().get_adapter(host.url).poolmanager.pools) == 1  # type: ignore[attr-defined]
