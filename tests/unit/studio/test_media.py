from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.studio.client import LabelStudio
from dinolabel.studio.errors import StudioDenied
from dinolabel.studio.media import download
from dinolabel.studio.media.download import DownloadLimits
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from dinolabel.vision.errors import MediaError, MediaRefused, MediaUnavailable, MediaUnreadable

TOKEN = "0123456789abcdef0123456789abcdef01234567"
UPLOAD = "/data/upload/1/aa-photo.png"
LOCAL = "/data/local-files/?d=photos/a.png"


def picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


PNG = picture()


@pytest.fixture
def studio(host: Any) -> Any:
    return host.on(UPLOAD, 200, PNG).on("/data/local-files/", 200, PNG)


@pytest.fixture
def make(studio: Any, tmp_path: Path) -> Callable[..., MediaResolver]:
    def build(**changed: Any) -> MediaResolver:
        changed.setdefault("network", NetworkSettings(private=("127.0.0.0/8",)))
        client = changed.pop("client", LabelStudio(studio.url, TOKEN, aliases=["http://studio.example:8080"]))
        return MediaResolver(client, cache_dir=tmp_path / "cache", **changed)

    return build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A document root with photos/a.png, a name with a space, and a link that leads out."""
    folder = tmp_path / "documents"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.png").write_bytes(PNG)
    (folder / "photos" / "b c&d.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (UPLOAD, UPLOAD),
        ("{studio}" + UPLOAD, UPLOAD),
        ("http://studio.example:8080" + UPLOAD, UPLOAD),
        ("http://somewhere.internal" + UPLOAD, UPLOAD),
        (LOCAL, LOCAL),
        ("{studio}" + LOCAL, LOCAL),
        ("http://localhost:8080" + LOCAL, LOCAL),
        ("https://labels.example/data/local-files/?d=photos/b%20c%26d.png", "/data/local-files/?d=photos/b%20c%26d.png"),
    ],
)
def test_every_form_of_what_label_studio_serves_is_asked_of_our_own_with_the_token(
    make: Callable[..., MediaResolver], studio: Any, url: str, asked: str
) -> None:
    path = make().resolve(url.format(studio=studio.url))
    assert path.read_bytes() == PNG
    assert [each.path for each in studio.asked] == [asked]
    assert studio.authorizations() == [f"Token {TOKEN}"]


def test_downloaded_once_whatever_name_it_goes_by(make: Callable[..., MediaResolver], studio: Any) -> None:
    media = make()
    paths = {media.resolve(url) for url in (UPLOAD, studio.url + UPLOAD, "http://studio.example:8080" + UPLOAD)}
    assert len(paths) == len(studio.asked) == 1
    assert make().resolve(UPLOAD) in paths
    assert len(studio.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        LOCAL,
        "http://anywhere" + LOCAL,
        "/data/local-files/?d=photos%2Fa.png",
        "photos/a.png",
        "{root}/photos/a.png",
        "file://{root}/photos/a.png",
    ],
)
def test_the_mount_comes_first_and_nothing_is_asked(make: Callable[..., MediaResolver], studio: Any, root: Path, url: str) -> None:
    assert make(local_root=root).resolve(url.format(root=root)) == root / "photos" / "a.png"
    assert studio.asked == []


def test_escaped_names_are_found_on_the_mount(make: Callable[..., MediaResolver], root: Path) -> None:
    assert make(local_root=root).resolve("/data/local-files/?d=photos/b%20c%26d.png").name == "b c&d.png"
    assert make(local_root=root).resolve(f"file://{root}/photos/b%20c%26d.png").name == "b c&d.png"


def test_what_is_not_on_the_mount_is_asked_of_label_studio(make: Callable[..., MediaResolver], studio: Any, root: Path) -> None:
    assert make(local_root=root).resolve("/data/local-files/?d=photos/elsewhere.png").read_bytes() == PNG
    assert len(studio.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "/data/local-files/?d=../secret.png",
        "/data/local-files/?d=photos/../../secret.png",
        "/data/local-files/?d=%2e%2e%2fsecret.png",
        "/data/local-files/?d=%252e%252e%252fsecret.png",
        "/data/local-files/?d=..\\secret.png",
        "http://localhost:8080/data/local-files/?d=../secret.png",
        "/data/upload/../../api/current-user/token",
        "/data/upload/%2e%2e/%2e%2e/api/current-user/token",
        "/data/local-files/?d=/etc/passwd",
        "/data/local-files/?d=photos/link.png",
        "../secret.png",
        "photos/link.png",
        "/etc/passwd",
        "//evil.example/x.png",
        "file:///etc/passwd",
    ],
)
def test_nothing_leads_out(make: Callable[..., MediaResolver], studio: Any, root: Path, url: str) -> None:
    with pytest.raises(MediaRefused):
        make(local_root=root).resolve(url)
    assert studio.asked == []


@pytest.mark.parametrize("url", ["/etc/passwd", "photos/a.png", "file:///etc/passwd", ""])
def test_without_a_mount_no_file_of_this_machine_is_read(make: Callable[..., MediaResolver], url: str) -> None:
    with pytest.raises(MediaRefused):
        make().resolve(url)


def test_without_label_studio_its_files_are_named_as_missing(make: Callable[..., MediaResolver], root: Path) -> None:
    media = make(client=None, local_root=root)
    assert media.resolve(LOCAL) == root / "photos" / "a.png"
    for url in (UPLOAD, "s3://bucket/key.png"):
        with pytest.raises(MediaUnavailable, match="Label Studio"):
            media.resolve(url, task=1)


def test_other_hosts_are_asked_only_when_named_and_never_get_the_token(make: Callable[..., MediaResolver], hosts: Any) -> None:
    other = hosts().on("/p.png", 200, PNG)
    with pytest.raises(MediaRefused, match="not fetched from 127"):
        make().resolve(other.url + "/p.png")
    assert other.asked == []
    assert make(hosts=[other.url.removeprefix("http://")]).resolve(other.url + "/p.png").read_bytes() == PNG
    assert other.authorizations() == [None]


def test_a_named_host_serves_paths_that_look_like_label_studios_itself(make: Callable[..., MediaResolver], hosts: Any, studio: Any) -> None:
    other = hosts().on(UPLOAD, 200, PNG)
    make(hosts=[other.url.removeprefix("http://")]).resolve(other.url + UPLOAD)
    assert (len(other.asked), len(studio.asked)) == (1, 0)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}@evil.example/x.png", "http://evil.example/?http://127.0.0.1:{port}/data/", "ftp:/x", "HTTP://EVIL.EXAMPLE/x"],
)
def test_addresses_that_only_look_like_ours_are_refused(make: Callable[..., MediaResolver], studio: Any, url: str) -> None:
    with pytest.raises(MediaRefused):
        make().resolve(url.format(port=studio.server.server_port))
    assert studio.asked == []


@pytest.mark.parametrize("character", [" ", "\t", "\x7f"])
def test_an_address_with_a_character_that_no_host_has_is_not_asked(
    make: Callable[..., MediaResolver], studio: Any, hosts: Any, character: str
) -> None:
    listed = hosts().on("/x.png", 200, PNG)
    name = listed.url.removeprefix("http://")
    with pytest.raises(MediaError):
        make(hosts=[name]).resolve(f"http://{character}{name}/x.png")
    assert listed.asked == []


@pytest.mark.parametrize("redirected", [False, True])
def test_a_host_that_is_dialled_is_the_one_that_was_judged(
    make: Callable[..., MediaResolver], studio: Any, hosts: Any, monkeypatch: pytest.MonkeyPatch, redirected: bool
) -> None:
    """Whatever library connects: where it reads another host out of an address than our check did, nobody is asked."""
    listed = hosts().on("/x.png", 200, PNG)
    studio.on("/data/upload/1/moved.png", 302, headers={"Location": f"{listed.url}/x.png"})
    read = download._dialled
    monkeypatch.setattr(download, "_dialled", lambda url: ("http", "inside", 80) if url.endswith("/x.png") else read(url))
    with pytest.raises(MediaRefused, match="two different hosts"):
        make(hosts=[listed.url.removeprefix("http://")]).resolve("/data/upload/1/moved.png" if redirected else f"{listed.url}/x.png")
    assert listed.asked == []


def test_our_own_pages_beside_the_files_get_no_token(make: Callable[..., MediaResolver], studio: Any) -> None:
    studio.on("/logout", 200, PNG)
    make().resolve(studio.url + "/logout")
    assert studio.authorizations() == [None]


def test_a_redirect_elsewhere_is_refused_unless_named_and_the_token_stays_home(
    make: Callable[..., MediaResolver], studio: Any, hosts: Any
) -> None:
    other = hosts().on("/p.png", 200, PNG)
    moved = "/data/upload/1/moved.png"
    studio.on(moved, 302, headers={"Location": other.url + "/p.png"})
    with pytest.raises(MediaRefused):
        make().resolve(moved)
    assert other.asked == []
    assert make(hosts=[other.url.removeprefix("http://")]).resolve(moved).read_bytes() == PNG
    assert other.authorizations() == [None]
    assert studio.authorizations() == [f"Token {TOKEN}"] * 2


def test_a_named_host_cannot_make_us_use_the_token(make: Callable[..., MediaResolver], studio: Any, hosts: Any) -> None:
    other = hosts().on("/p.png", 302, headers={"Location": studio.url + UPLOAD})
    make(hosts=[other.url.removeprefix("http://")]).resolve(other.url + "/p.png")
    assert studio.authorizations() == [None]


def test_redirects_end(make: Callable[..., MediaResolver], studio: Any) -> None:
    studio.on("/data/upload/1/loop.png", 302, headers={"Location": "/data/upload/1/loop.png"})
    with pytest.raises(MediaUnavailable, match="without end"):
        make().resolve("/data/upload/1/loop.png")
    assert len(studio.asked) == 5


def test_cloud_addresses_go_through_label_studio(make: Callable[..., MediaResolver], studio: Any, hosts: Any) -> None:
    cloud = hosts().on("/bucket/key.png", 200, PNG)
    studio.on("/tasks/7/presign/", 303, headers={"Location": cloud.url + "/bucket/key.png?signature=abc"})
    media = make()
    path = media.resolve("s3://bucket/ä key.png", task=7)
    assert path.read_bytes() == PNG
    (asked,) = studio.asked
    assert base64.urlsafe_b64decode(asked.path.partition("fileuri=")[2].replace("%3D", "=")).decode() == "s3://bucket/ä key.png"
    assert (studio.authorizations(), cloud.authorizations()) == ([f"Token {TOKEN}"], [None])
    assert media.resolve("s3://bucket/ä key.png") == path  # once it is here, no task is needed
    assert len(cloud.asked) == 1


LISTED = "/tasks/7/resolve/?fileuri=" + base64.urlsafe_b64encode("s3://bucket/ä key.png".encode()).decode()


@pytest.mark.parametrize(
    "url",
    [LISTED, LISTED.replace("resolve", "presign"), "http://label.example" + LISTED, "https://label.example/ls" + LISTED, "/ls" + LISTED],
)
def test_what_label_studios_listing_says_for_a_cloud_address_is_that_address(
    make: Callable[..., MediaResolver], studio: Any, url: str
) -> None:
    studio.on("/tasks/7/presign/", 200, PNG)
    media = make()
    assert media.resolve(url) == media.resolve("s3://bucket/ä key.png")
    (asked,) = studio.asked
    assert asked.path.startswith("/tasks/7/presign/?fileuri=") and studio.authorizations() == [f"Token {TOKEN}"]


@pytest.mark.parametrize("path", [UPLOAD, LOCAL, "/storage-data/uploaded/?filepath=upload/1/x.png"])
@pytest.mark.parametrize("prefix", ["", "/ls", "{url}", "https://label.example/ls"])
def test_a_label_studio_on_a_sub_path(host: Any, tmp_path: Path, path: str, prefix: str) -> None:
    host.on("/ls" + path.partition("?")[0], 200, PNG)
    client = LabelStudio(host.url + "/ls", TOKEN, aliases=["https://label.example/ls"])
    media = MediaResolver(client, cache_dir=tmp_path)
    assert media.resolve(prefix.format(url=client.url) + path).read_bytes() == PNG
    assert [each.path for each in host.asked] == ["/ls" + path]
    assert host.authorizations() == [f"Token {TOKEN}"]


def test_beside_the_sub_path_the_token_is_not_shown(host: Any, tmp_path: Path) -> None:
    host.on("/ls" + UPLOAD, 302, headers={"Location": "/other" + UPLOAD}).on("/other" + UPLOAD, 200, PNG)
    MediaResolver(LabelStudio(host.url + "/ls", TOKEN), cache_dir=tmp_path).resolve(UPLOAD)
    assert host.authorizations() == [f"Token {TOKEN}", None]


def test_cloud_bytes_may_also_come_through_label_studio_itself(make: Callable[..., MediaResolver], studio: Any) -> None:
    studio.on("/tasks/7/presign/", 200, PNG)
    assert make().resolve("gs://bucket/key.png", task=7).read_bytes() == PNG


def test_a_cloud_may_not_send_us_on(make: Callable[..., MediaResolver], studio: Any, hosts: Any) -> None:
    inner = hosts().on("/p.png", 200, PNG)
    cloud = hosts().on("/key.png", 302, headers={"Location": inner.url + "/p.png"})
    studio.on("/tasks/7/presign/", 303, headers={"Location": cloud.url + "/key.png"})
    with pytest.raises(MediaRefused):
        make().resolve("s3://bucket/key.png", task=7)
    assert inner.asked == []


def test_a_cloud_address_needs_its_task(make: Callable[..., MediaResolver]) -> None:
    with pytest.raises(MediaUnavailable, match="for a task"):
        make().resolve("s3://bucket/key.png")


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ({"status": 404}, MediaUnavailable, "404"),
        ({"status": 500}, MediaUnavailable, "500"),
        ({"status": 403}, MediaUnavailable, "403"),
        ({"body": b"<!DOCTYPE html><html>Log in</html>", "headers": {"Content-Type": "text/html"}}, MediaUnreadable, "web page"),
        ({"body": b'\n {"detail": "no"}'}, MediaUnreadable, "web page or text"),
        ({"body": b""}, MediaUnreadable, "bad.png|no picture"),
        ({"body": b"just words"}, MediaUnreadable, "bad.png|no picture"),
        ({"body": PNG[:400]}, MediaUnreadable, "bad.png|no picture"),
        ({"body": picture("JPEG")[:500]}, MediaUnreadable, "bad.png|no picture"),
        ({"body": PNG[:400], "announced": len(PNG)}, MediaUnavailable, "did not deliver"),
        ({"body": b"", "announced": 2**30}, MediaRefused, "larger than 1 MB"),
        ({"body": b"x" * (2**20 + 1)}, MediaRefused, "larger than 1 MB"),
    ],
)
def test_bad_answers_are_named_and_leave_nothing_behind(
    make: Callable[..., MediaResolver], studio: Any, tmp_path: Path, script: dict[str, Any], error: type[Exception], words: str
) -> None:
    studio.on("/data/upload/1/bad.png", **script)
    media = make(max_mb=1)
    with pytest.raises(error, match=words):
        media.resolve("/data/upload/1/bad.png")
    assert [each for each in (tmp_path / "cache").rglob("*") if each.is_file()] == []
    studio.replies["/data/upload/1/bad.png"] = []
    studio.on("/data/upload/1/bad.png", 200, PNG)
    assert media.resolve("/data/upload/1/bad.png").read_bytes() == PNG


def test_a_file_of_unknown_length_is_bounded_too(make: Callable[..., MediaResolver], studio: Any) -> None:
    studio.on("/data/upload/1/endless.png", 200, b"x" * 3_000_000, announced=2**20)
    with pytest.raises((MediaRefused, MediaUnreadable)):
        make(max_mb=1).resolve("/data/upload/1/endless.png")


@pytest.mark.parametrize(
    ("slow", "limits"), [(0.05, DownloadLimits(2**20, silence=5, total=0.4)), (3.0, DownloadLimits(2**20, silence=0.3, total=60))]
)
def test_slow_hosts_are_left_in_time(make: Callable[..., MediaResolver], studio: Any, slow: float, limits: DownloadLimits) -> None:
    studio.on("/data/upload/1/slow.png", 200, PNG, slow=slow)
    start = time.monotonic()
    with pytest.raises(MediaUnavailable, match="slow"):
        make(limits=limits).resolve("/data/upload/1/slow.png")
    assert time.monotonic() - start < 2.5


def test_nobody_there(make: Callable[..., MediaResolver], hosts: Any) -> None:
    gone = hosts()
    gone.server.server_close()
    with pytest.raises(MediaUnavailable, match="did not deliver"):
        make(hosts=["127.0.0.1"]).resolve(gone.url + "/p.png")


def jwt(**claims: Any) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


def test_a_personal_token_is_renewed_for_a_download(studio: Any, tmp_path: Path) -> None:
    old, new = jwt(token_type="access", exp=time.time() + 300, n=1), jwt(token_type="access", exp=time.time() + 300, n=2)
    studio.on("/api/token/refresh/", 200, {"access": old}).on("/api/token/refresh/", 200, {"access": new})
    studio.on("/data/upload/1/x.png", 401).on("/data/upload/1/x.png", 200, PNG)
    media = MediaResolver(LabelStudio(studio.url, jwt(token_type="refresh")), cache_dir=tmp_path)
    assert media.resolve("/data/upload/1/x.png").read_bytes() == PNG
    assert [each for each in studio.authorizations() if each] == [f"Bearer {old}", f"Bearer {new}"]


@pytest.mark.parametrize("token", [TOKEN, jwt(token_type="refresh")])
def test_a_token_that_is_not_taken_is_label_studios_error_and_not_the_pictures(studio: Any, tmp_path: Path, token: str) -> None:
    studio.on("/api/token/refresh/", 200, {"access": jwt(token_type="access", exp=time.time() + 300)})
    studio.on("/data/upload/1/x.png", 401, {"detail": "Invalid token."})
    with pytest.raises(StudioDenied) as caught:
        MediaResolver(LabelStudio(studio.url, token), cache_dir=tmp_path).resolve("/data/upload/1/x.png")
    assert token not in str(caught.value)


def test_many_at_once_get_one_whole_file(make: Callable[..., MediaResolver], studio: Any) -> None:
    media, found = make(), []
    threads = [threading.Thread(target=lambda: found.append(media.resolve(UPLOAD))) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0].read_bytes() == PNG


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("//cdn.example.com/a.jpg", "neither http nor https"),
        ("C:\\photos\\a.jpg", "Windows"),
        ("c:/photos/a.jpg", "Windows"),
        ("file:///C:/photos/a.jpg", "Windows"),
        ("\\\\server\\share\\a.jpg", "Windows"),
        ("blob:https://label.example/1b-2c", "browser's memory"),
        ("ftp://files.example/a.jpg", "file server"),
        ("sftp://files.example/a.jpg", "file server"),
        ("smb://nas/photos/a.jpg", "network drive"),
        ("content://media/external/1", "telephone"),
        ("https://cdn.example.com/{{page}}.jpg", "{{page}}"),
        ("{{image}}", "{{image}}"),
        ("https:/a.jpg", "no host"),
        ("http://", "no host"),
        ("http://[bad/a.jpg", "not written as addresses are"),
        ("https://cdn.example.com/a.jpg", "not fetched from cdn.example.com"),
        ("/data/local-files/?d=photos/.thumbnails/a.png", "hidden file"),
        ("s3://bucket/@eaDir/a.png", "hidden file"),
    ],
)
def test_an_address_that_can_never_be_read_says_its_true_reason(
    make: Callable[..., MediaResolver], studio: Any, root: Path, mounted: bool, url: str, words: str
) -> None:
    media = make(local_root=root if mounted else None)
    with pytest.raises(MediaRefused) as caught:
        media.resolve(url, task=1)
    assert words in str(caught.value) and caught.value.hint
    assert str(media.refusal(url, task=1)) == str(caught.value)
    assert studio.asked == []


@pytest.mark.parametrize(
    "url", [UPLOAD, "http://elsewhere" + UPLOAD, LOCAL, "s3://bucket/a.png", "https://listed.example/a.png", "photos/a.png"]
)
def test_an_address_that_may_be_read_is_not_refused_and_nobody_is_asked(
    make: Callable[..., MediaResolver], studio: Any, root: Path, url: str
) -> None:
    assert make(local_root=root, hosts=["listed.example"]).refusal(url, task=1) is None
    assert studio.asked == []


def test_what_is_here_already_needs_no_listed_host(make: Callable[..., MediaResolver], hosts: Any) -> None:
    url = hosts().on("/p.png", 200, PNG).url + "/p.png"
    path = make(hosts=["127.0.0.1"]).resolve(url)
    assert make().refusal(url) is None and make().resolve(url) == path


def test_hurried_gives_up_in_time(make: Callable[..., MediaResolver], studio: Any) -> None:
    studio.on("/data/upload/1/slow.png", 200, PNG, slow=1.0)
    start = time.monotonic()
    with pytest.raises(MediaUnavailable, match="slow"):
        make().with_time_limit(0.3).resolve("/data/upload/1/slow.png")
    assert time.monotonic() - start < 2.5
