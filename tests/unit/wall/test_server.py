"""The wall's JSON: what a browser may ask and what it may not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from flask.testing import FlaskClient

from benchmarks.names import FixedNames, NoStudio
from dinolabel.vision.errors import MediaUnavailable
from dinolabel.vision.types import Box, CropPolicy, Image
from dinolabel.wall.server import WallServices, create_app
from dinolabel.wall.thumbnails import ThumbnailCache
from tests.unit.wall.test_wall import wall_of


def load(at: int) -> tuple[Image, Box]:
    if at == 11:
        raise MediaUnavailable("The picture is gone.")
    return Image.from_array(np.full((100, 100, 3), at * 20, np.uint8)), Box(10, 10, 50, 50)


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    services = WallServices(
        wall_of(tmp_path),
        NoStudio(),
        FixedNames(["maria", "lacy"]),
        ThumbnailCache(CropPolicy()),
        load,
        "cats <b>",
        "wall (j)",
        "/t/{task}",
        {3: "gone"},
    )  # type: ignore[arg-type]
    return create_app(services).test_client()


def post(client: FlaskClient, path: str, **body: Any) -> Any:
    return client.post(path, json=body)


def test_a_group_is_named_suggested_denied_and_taken_back(client: FlaskClient) -> None:
    group = client.get("/api/groups?from=0").json["groups"][0]
    crops = [[each["task"], each["region"]] for each in group["crops"]][:3]
    assert post(client, "/api/answers", kind="name", name="maria", crops=crops, page="groups").json == {
        "id": 1,
        "name": "maria",
        "crops": 3,
    }
    page = client.get("/api/suggestions?name=maria").json["page"]
    assert [each["size"] for each in page] == [1]
    assert post(client, "/api/pages", name="maria", page=page, chosen=[]).json["page"] == []
    assert post(client, "/api/undo").json == {"undone": 2, "crops": 1}
    assert [each["count"] for each in client.get("/api/state").json["names"]] == [3, 0]
    assert len(client.get("/api/named").json["names"][0]["crops"]) == 3
    assert len(post(client, "/api/find", crops=crops[:1]).json["crops"]) == 11
    assert len(client.get("/api/map").json["points"]) == 12


def test_a_page_stands_and_says_its_title_as_text(client: FlaskClient) -> None:
    answer = client.get("/")
    assert b"cats &lt;b&gt;" in answer.data
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert client.get("/static/wall.js").status_code == 200


def test_thumbnails_are_pictures_and_one_that_is_gone_says_so(client: FlaskClient) -> None:
    answer = client.get("/crops/0/r0.jpg")
    assert max(PIL.Image.open(io.BytesIO(answer.data)).size) <= 160
    gone = client.get("/crops/5/r11.jpg")
    assert (gone.status_code, gone.data) == (404, b"The picture is gone.")
    assert client.get("/crops/99/x.jpg").status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/api/answers", {"kind": "delete", "crops": [[0, "r0"]]}, "no answer"),
        ("/api/answers", {"kind": "name", "name": "maria", "crops": [[77, "r0"]]}, "not on this wall"),
        ("/api/answers", {"kind": "name", "name": "maria", "crops": "all"}, "crops"),
        ("/api/pages", {"name": "maria", "page": [{"id": 9999, "likeness": 1}], "chosen": []}, "no group"),
        ("/api/pages", {"name": "maria", "page": [{"id": "x", "likeness": 1}]}, "page.0.id"),
        ("/api/split", {"group": "one", "crops": []}, "group"),
        ("/api/merge", {"groups": None}, "group"),
        ("/api/find", {"crops": []}, "No example"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(client: FlaskClient, path: str, body: dict[str, Any], told: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert told in answer.json["error"] and answer.json["hint"]


def test_only_json_of_this_machine_is_taken(client: FlaskClient) -> None:
    assert client.post("/api/undo", data="{}", content_type="text/plain").status_code == 400
    assert client.post("/api/undo", data="{", content_type="application/json").status_code == 400
    assert client.post("/api/undo", data="[]", content_type="application/json").status_code == 400
    assert client.get("/api/state", headers={"Host": "evil.example:7870"}).status_code == 403
    assert client.get("/api/state", headers={"Host": "localhost:7870"}).status_code == 200
    assert client.get("/api/groups?from=-1").status_code == 400


def test_thumbnails_kept_are_bounded() -> None:
    cache = ThumbnailCache(CropPolicy(), most_bytes=3_000)
    for at in range(50):
        noise = np.random.default_rng(at).integers(0, 255, (60, 60, 3), np.uint8)
        cache.get(at, lambda noise=noise: (Image.from_array(noise), Box(0, 0, 60, 60)))
    assert cache._size <= 3_000 or len(cache._kept) == 1
