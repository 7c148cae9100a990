"""Crops from real picture files and Label Studio's own JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters.formats import crops
from dinolabel.exporters.formats.crops import export
from dinolabel.exporters.options import ExportOptions
from dinolabel.exporters.output import file_list
from dinolabel.exporters.output.atomic_output import ExportRefused
from dinolabel.exporters.pipeline.report import ExportReport
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.training.data import manifest
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.errors import UnknownPlug
from dinolabel.vision.images.cropping import cut
from dinolabel.vision.types import Box, CropPolicy, Image

CONFIG = LabelConfig.parse(
    """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
    <Label value="face" predicted_values="human face"/><Label value="jason"/><Label value="lacy"/><Label value="unknown"/>
    </RectangleLabels></View>"""
)
WIDTH, HEIGHT = 200, 100


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(1, 5):
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def region(identity: str, x: float, label: str | None, *, origin: str | None = "prediction", size: float = 20) -> dict[str, Any]:
    """A box at x % with a side of `size` %, 10 % from the top."""
    value = {"x": x, "y": 10, "width": size, "height": 2 * size, "rotation": 0, **({"rectanglelabels": [label]} if label else {})}
    out = {"id": identity, "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value, "image_rotation": 0}
    return out | {"original_width": WIDTH, "original_height": HEIGHT} | ({"origin": origin} if origin else {})


def task(number: int, kept: list[dict[str, Any]], predicted: list[dict[str, Any]], **annotation: Any) -> dict[str, Any]:
    """One task that one person finished."""
    done = {"id": number * 10, "completed_by": 7, "result": kept, "was_cancelled": False, "lead_time": 2.5, "parent_prediction": number}
    done |= {"created_at": "2026-11-22T11:00:00Z", "updated_at": f"2026-11-22T11:00:0{number}Z"}
    done["prediction"] = {"id": number, "result": predicted, "model_version": "gdino-tiny.a1b2c3"}
    return {"id": number, "inner_id": number, "data": {"image": f"{number}.png"}, "annotations": [done | annotation]}


def detected(*xs: float) -> list[dict[str, Any]]:
    return [region(f"p{x:g}", x, "face", origin=None) for x in xs]


def run(pictures: Path, out: Path, *tasks: dict[str, Any], **options: Any) -> tuple[ExportReport, list[dict[str, Any]]]:
    report = export(tasks, CONFIG, out, open_image=lambda value: open_image(pictures / value), **options)
    return report, [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def sideless(path: str) -> str:
    """Of a crop, without the side that its picture's content decides."""
    return re.sub("^crops/(train|val)/", "crops/", path)


def test_every_kind_of_decision_goes_to_its_own_place(pictures: Path, tmp_path: Path) -> None:
    kept = [region("p0", 0, "jason"), region("p30", 30, "face"), region("new", 70, "unknown", origin="manual")]
    named = task(1, kept, detected(0, 30, 50))
    moved = task(2, [region("p0", 4, "lacy", origin="prediction-changed"), region("p50", 50, None)], detected(0, 50))
    button = task(3, [region("p0", 0, "face", origin=None)], detected(0), lead_time=None)
    skipped = task(4, [region("p0", 0, "jason")], detected(0), was_cancelled=True)
    report, rows = run(pictures, tmp_path / "out", skipped, button, moved, named)
    assert [(row["task"], row["region"], row["view"], row["verdict"], row["kind"], sideless(row["crop"])) for row in rows] == [
        (1, "new", "person", "approved", "unknown", "unknown/1-new.png"),
        (1, "p0", "person", "approved", "named", "crops/jason/1-p0.png"),
        (1, "p30", "person", "approved", "generic", "generic/1-p30.png"),
        (1, "p50", "detector", "rejected", "generic", "rejected/1-p50.png"),
        (2, "p0", "person", "approved", "named", "crops/lacy/2-p0.png"),
        (2, "p0", "detector", "approved", "named", "detector/lacy/2-p0.detector.png"),
        (2, "p50", "person", "approved", "unlabelled", "unlabelled/2-p50.png"),
        (3, "p0", "detector", "unverified", "generic", "unverified/3-p0.png"),
    ]
    assert report == ExportReport({"jason": 1, "lacy": 1}, 1, 1, 1, 1, 1, skipped=1, images=3, rows=8)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["approved"] == {"jason": 1, "lacy": 1}


def test_a_row_says_all_that_training_needs(pictures: Path, tmp_path: Path) -> None:
    policy = CropPolicy(margin=0.5, max_side=32, min_side=8)
    _, rows = run(pictures, tmp_path / "out", task(2, [region("p0", 10, "jason", origin="prediction-changed")], detected(8)), policy=policy)
    sha = hashlib.sha256((pictures / "2.png").read_bytes()).hexdigest()
    same = {"format": 1, "task": 2, "annotation": 20, "region": "p0", "image": sha, "frame": None, "width": WIDTH, "height": HEIGHT}
    same |= {"verdict": "approved", "kind": "named", "label": "jason", "who": "7", "group": sha, "at": "2026-11-22T11:00:02Z"}
    same |= {"model_version": "gdino-tiny.a1b2c3", "policy": {"margin": 0.5, "max_side": 32, "min_side": 8}}
    person = same | {"crop": "crops/train/jason/2-p0.png", "box": [20.0, 10.0, 60.0, 50.0], "view": "person"}
    detector = same | {"crop": "detector/jason/2-p0.detector.png", "box": [16.0, 10.0, 56.0, 50.0], "view": "detector"}
    assert rows == [person, detector]


def test_the_file_holds_the_one_cut_without_loss(pictures: Path, tmp_path: Path) -> None:
    _, rows = run(pictures, tmp_path / "out", task(1, [region("p0", 3, "jason")], detected(3)))
    expected = cut(np.asarray(PIL.Image.open(pictures / "1.png")), Box(*rows[0]["box"]), CropPolicy()).pixels
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "out" / rows[0]["crop"])), expected)


def test_a_bad_picture_costs_itself_only(pictures: Path, tmp_path: Path) -> None:
    (pictures / "2.png").write_bytes((pictures / "2.png").read_bytes()[:900])
    (pictures / "3.png").write_text("<!doctype html>login")
    tasks = [task(number, [region("p0", 0, "jason")], detected(0, 50)) for number in (1, 2, 3, 4)]
    tasks.append({**task(5, [region("p0", 0, "lacy")], detected(0)), "data": {"text": "no picture"}})
    report, rows = run(pictures, tmp_path / "out", *tasks)
    assert {row["task"] for row in rows} == {1, 4}
    assert [(each["task"], each["error"], each["boxes"]) for each in report.failed] == [
        (2, "MediaUnreadable", 2),
        (3, "MediaUnreadable", 2),
        (5, "MediaRefused", 1),
    ]
    assert all(each["why"] and each["hint"] for each in report.failed)


def test_people_who_disagree_are_listed_and_left_out(pictures: Path, tmp_path: Path) -> None:
    two = task(1, [region("p0", 0, "jason"), region("p50", 50, "lacy")], detected(0, 50))
    second = {**two["annotations"][0], "id": 11, "completed_by": 8, "result": [region("p0", 1, "lacy"), region("p50", 50, "lacy")]}
    two["annotations"].append(second)
    report, rows = run(pictures, tmp_path / "out", two)
    assert [(row["region"], row["label"]) for row in rows] == [("p50", "lacy")]
    assert report.conflicts == ({"task": 1, "annotations": (10, 11), "labels": ("jason", "lacy")},)


def test_boxes_are_shares_of_the_picture_as_it_is_now(pictures: Path, tmp_path: Path) -> None:
    kept = region("p0", 50, "jason") | {"original_width": 2 * WIDTH, "original_height": 2 * HEIGHT}
    _, rows = run(pictures, tmp_path / "out", task(1, [kept], []))
    assert rows[0]["box"] == [100.0, 10.0, 140.0, 50.0]


def test_same_tasks_same_bytes(pictures: Path, tmp_path: Path) -> None:
    tasks = [task(number, [region("p0", number, "jason")], detected(0, 40)) for number in (1, 2, 3)]
    run(pictures, tmp_path / "one", *tasks)
    run(pictures, tmp_path / "two", *reversed(tasks))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert len(files(tmp_path / "one")) == 14


def test_names_that_are_no_file_names_keep_their_label_in_the_manifest(pictures: Path, tmp_path: Path) -> None:
    hard = ["a/b", "..", "CON", "😀", "x" * 300, "Jason", "jason", "  "]
    tags = "".join(f'<Label value="{label}"/>' for label in hard if label.strip())
    config = LabelConfig.parse(
        f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{tags}'
        '<Label value="face" predicted_values="face"/></RectangleLabels></View>'
    )
    kept = [region(f"../{at}", 10 * at, label, size=8, origin="manual") for at, label in enumerate(hard) if label.strip()]
    out = tmp_path / "out"
    export([task(1, kept, [])], config, out, open_image=lambda value: open_image(pictures / value))
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["label"] for row in rows) == sorted(hard[:-1])
    assert all((out / row["crop"]).resolve().is_relative_to(out / "crops") for row in rows)
    assert len({row["crop"].casefold() for row in rows}) == len(rows)
    assert len({Path(row["crop"]).parent.name.casefold() for row in rows}) == len(rows)
    assert sum(1 for path in out.rglob("*.png")) == len(rows)


def test_a_new_folder_has_sides_and_one_view_an_object(pictures: Path, tmp_path: Path) -> None:
    """As ImageFolder and ultralytics read crops/: nothing but folders of classes below each side."""
    names = ["jason", "lacy", "jason", "lacy"]
    tasks = [task(at, [region("p0", 4, name, origin="prediction-changed")], detected(0)) for at, name in enumerate(names, 1)]
    _, rows = run(pictures, tmp_path / "out", *tasks)
    sides = {side.name: side for side in (tmp_path / "out/crops").iterdir() if side.is_dir()}
    assert set(sides) == {"train", "val"}
    found = [path.relative_to(tmp_path / "out").as_posix() for side in sides.values() for path in side.rglob("*.png")]
    assert sorted(found) == sorted(row["crop"] for row in rows if row["view"] == "person") and len(found) == 4
    assert all((tmp_path / "out" / row["crop"]).is_file() for row in rows)
    assert [row["crop"].split("/")[0] for row in rows if row["view"] == "detector"] == ["detector"] * 4


def test_a_persons_side_of_a_picture_counts(pictures: Path, tmp_path: Path) -> None:
    tasks = [task(number, [region("p0", 0, "jason")], detected(0)) for number in (1, 2)]
    for each in tasks:
        each["data"] |= {"dinolabel_group": "film", "dinolabel_split": "held_out"}
    _, rows = run(pictures, tmp_path / "out", *tasks)
    assert [row["crop"] for row in rows] == ["crops/val/jason/1-p0.png", "crops/val/jason/2-p0.png"]


@pytest.mark.parametrize("layout", [None, "splits", "flat"])
def test_a_folder_that_began_without_sides_goes_on_so(pictures: Path, tmp_path: Path, layout: Any) -> None:
    one, two = (task(number, [region("p0", 0, "jason")], detected(0)) for number in (1, 2))
    run(pictures, tmp_path / "out", one, wish=ExportOptions(layout="flat"))
    _, rows = run(pictures, tmp_path / "out", one, two, wish=ExportOptions(layout=layout))
    flat = ["crops/jason/1-p0.png", "crops/jason/2-p0.png"]
    assert [sideless(row["crop"]) for row in rows] == flat
    assert ([row["crop"] for row in rows] == flat) == (layout != "splits")
    there = {path for path in files(tmp_path / "out") if path.endswith(".png")}
    assert there == {row["crop"] for row in rows}


@pytest.mark.parametrize("layout", ["splits", "flat"])
def test_the_list_of_crops_has_types(pictures: Path, tmp_path: Path, layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the documented line: labels that a reader takes for sides or dates, whole numbers before halves, nulls before values."""
    import datasets

    names = ["2024-05-01", "train", "mia test", "val"]
    config = LabelConfig.parse(
        '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
        + "".join(f'<Label value="{name}"/>' for name in names)
        + "</RectangleLabels></View>"
    )
    shown = [[region("p0", 10.25 if at == 4 else 10, name)] for at, name in enumerate(names, 1)]
    seen = {"id": 4, "result": [], "model_version": "v"}
    tasks = [task(at, kept, [], prediction=seen if at == 4 else None) for at, kept in enumerate(shown, 1)]
    wish = ExportOptions(layout=layout)
    export(
        tasks,
        config,
        tmp_path / "out",
        open_image=lambda value: open_image(pictures / value),
        find=lambda value: pictures / value,
        wish=wish,
    )
    monkeypatch.chdir(tmp_path / "out")
    rows = [row for rows in datasets.load_dataset("./crops", cache_dir=str(tmp_path / "cache")).values() for row in rows]
    assert sorted((row["task"], row["label"], row["box"][0], row["view"]) for row in rows) == [
        (1, "2024-05-01", 20.0, "person"), (2, "train", 20.0, "person"), (3, "mia test", 20.0, "person"), (4, "val", 20.5, "person"),
    ]  # fmt: skip
    assert {row["task"]: row["model_version"] for row in rows} == {1: None, 2: None, 3: None, 4: "v"}
    assert all(row["at"].startswith("2026-11-22T") and row["image"].size[0] for row in rows)


def test_nothing_to_export_is_an_empty_manifest(pictures: Path, tmp_path: Path) -> None:
    report, rows = run(pictures, tmp_path / "out", {"id": 1, "data": {"image": "1.png"}, "annotations": []})
    assert rows == []
    assert report == ExportReport({"jason": 0, "lacy": 0}, 0, 0, 0, 0, 0, skipped=0, images=0)


def test_an_export_is_replaced_whole_or_not_at_all(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(pictures, out, task(1, [region("p0", 0, "jason")], detected(0)))
    before = files(out)

    def die(value: Any) -> Image:
        if value == "2.png":
            raise KeyboardInterrupt
        return open_image(pictures / value)

    tasks = [task(number, [region("p0", 0, "lacy")], detected(0)) for number in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        export(tasks, CONFIG, out, open_image=die)
    assert files(out) == before
    run(pictures, out, *tasks)
    lists = ["crops/README.md", "crops/train.parquet", "crops/val.parquet", "manifest.jsonl", "report.json"]
    assert sorted(map(sideless, files(out))) == sorted([*lists, "crops/lacy/1-p0.png", "crops/lacy/2-p0.png"])
    assert [each.name for each in tmp_path.iterdir()] in (["out", "pictures"], ["pictures", "out"])


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_strangers_are_left_as_they_are(pictures: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
    with pytest.raises(ExportRefused):
        run(pictures, out, task(1, [region("p0", 0, "jason")], detected(0)))
    assert (out if kind == "file" else out / "thesis.tex").read_text() == "mine"


def test_generic_counts_as_unknown_when_asked(pictures: Path, tmp_path: Path) -> None:
    _, rows = run(pictures, tmp_path / "out", task(1, [region("p0", 0, "face")], detected(0)), generic_is_unknown=True)
    assert [(row["kind"], row["crop"]) for row in rows] == [("unknown", "unknown/1-p0.png")]


def test_progress_ends_at_the_end(pictures: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    tasks = [task(number, [region("p0", 0, "jason")], detected(0)) for number in (1, 2)]
    run(pictures, tmp_path / "out", *tasks, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_the_format_is_found_by_its_file_name() -> None:
    from dinolabel.exporters import formats

    assert "crops" in formats.names()
    assert formats.load("crops") is crops
    with pytest.raises(UnknownPlug, match="crops"):
        formats.load("approved")


def test_an_error_that_is_no_picture_is_not_swallowed(pictures: Path, tmp_path: Path) -> None:
    def broken(value: Any) -> Image:
        raise RuntimeError(value)

    with pytest.raises(RuntimeError):
        export([task(1, [region("p0", 0, "jason")], [])], CONFIG, tmp_path / "out", open_image=broken)
    assert not (tmp_path / "out").exists()


def files(folder: Path) -> dict[str, str]:
    return dict(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != file_list.FILE:
            yield path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_picture_that_decodes_otherwise_than_before_is_another_to_caches(tmp_path: Path) -> None:
    """A TIFF that a scanner turned had its crops from elsewhere in earlier versions: nothing that was made of those answers for it."""
    (tmp_path / "pictures").mkdir()
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    PIL.Image.new("RGB", (WIDTH, HEIGHT), "red").save(tmp_path / "pictures" / "1.png", format="TIFF", exif=exif)
    run(tmp_path / "pictures", tmp_path / "out", task(1, [region("a", 10, "jason")], []))
    (row,) = manifest.read(tmp_path / "out").rows
    assert row.image_key == open_image(tmp_path / "pictures" / "1.png").key != row.image
