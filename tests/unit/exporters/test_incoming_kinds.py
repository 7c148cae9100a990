"""Data sets of other tools that look right and would be misread in silence: each is read right, refused by name, or said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel.exporters.importers.common.reading import CUT, ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.exporters.importers.sources.dataset_source import open_source

LINE = "0 0.25 0.25 0.125 0.25\n"  # of 320 x 240: 60, 30, 100, 90
FOUND = ("jason", (60, 30, 100, 90))


def picture(path: Path, size: tuple[int, int] = (320, 240)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((size[1], size[0], 3), len(path.name), dtype=np.uint8)).save(path)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def pair(root: Path, name: str, line: str = LINE, suffix: str = ".txt") -> None:
    """A picture with its YOLO label file beside."""
    picture(root / f"{name}.jpg")
    write(root / f"{name}{suffix}", line)


def read(path: Path) -> tuple[list[ImportedImage], ImportLog]:
    log = ImportLog()
    return list(open_source(None, path, log).read(None, log)), log


def boxes(each: ImportedImage) -> list[tuple[str | None, tuple[float, ...]]]:
    return [(box.label, tuple(round(at, 2) for at in box.box.xyxy)) for box in each.boxes]


def roboflow_darknet(root: Path) -> None:
    for side in ("train", "valid"):
        pair(root / side, f"{side}_a")
        write(root / side / "_darknet.labels", "jason\nlacy\n")


def labels_in_capitals(root: Path) -> None:
    pair(root, "a", suffix=".TXT")
    write(root / "classes.txt", "jason\n")


def odd_first_line(root: Path) -> None:
    pair(root, "a", line="0 nan 0.25 0.1 0.1\n" + LINE)
    write(root / "classes.txt", "jason\n")


def pose_without_its_shape(root: Path) -> None:
    """Two key points: ten numbers, as an outline of five points has."""
    pair(root, "a", line=f"{LINE.strip()} 0.2 0.2 2 0.3 0.3 1\n")
    write(root / "classes.txt", "jason\n")


@pytest.mark.parametrize(
    ("make", "pictures", "unread"),
    [(roboflow_darknet, 2, 0), (labels_in_capitals, 1, 0), (odd_first_line, 1, 1), (pose_without_its_shape, 1, 0)],
)
def test_read(tmp_path: Path, make: Callable[[Path], None], pictures: int, unread: int) -> None:
    make(tmp_path)
    found, _ = read(tmp_path)
    assert [boxes(each) for each in found] == [[FOUND]] * pictures
    assert sum(len(each.unread) for each in found) == unread


def test_an_outline_that_touches_the_edge_is_no_pose(tmp_path: Path) -> None:
    pair(tmp_path, "a", line="0 0.1 0.1 0.3 0.1 0.4 0.4 1 0.9 0.2 1\n")
    write(tmp_path / "classes.txt", "jason\n")
    (only,), _ = read(tmp_path)
    assert boxes(only) == [("jason", (32, 24, 320, 240))]


def sides_with_other_numbers(root: Path) -> None:
    for side, names in (("train", "jason\nlacy\n"), ("val", "lacy\njason\n")):
        pair(root / side, side)
        write(root / side / "classes.txt", names)


def two_data_sets(root: Path) -> None:
    for name in ("one", "two"):
        pair(root / name / "train", name)
        write(root / name / "data.yaml", "train: ../train\nnames: [jason]\n")


def min_of_label_studio(root: Path) -> None:
    row = {"image": "a.jpg", "id": 1, "label": [], "annotator": 1, "annotation_id": 1, "created_at": "", "updated_at": "", "lead_time": 1}
    write(root / "export.json", [row])


def csv_of_label_studio(root: Path) -> None:
    write(root / "export.csv", 'annotation_id,annotator,created_at,id,image,label,lead_time,updated_at\n1,1,,1,a.jpg,"[]",1,\n')


def tsv_of_label_studio(root: Path) -> None:
    write(root / "export.tsv", "image\tid\tlabel\tannotator\tannotation_id\tcreated_at\tupdated_at\tlead_time\n")


def film_of_cvat(root: Path) -> None:
    write(root / "annotations.xml", '<annotations><track id="0" label="jason"><box frame="0"/></track></annotations>')


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (sides_with_other_numbers, "several lists of classes, with other numbers: train/classes.txt and val/classes.txt"),
        (two_data_sets, "several data sets: one/data.yaml and two/data.yaml"),
        (min_of_label_studio, "export.json is Label Studio's JSON-MIN"),
        (csv_of_label_studio, "export.csv is Label Studio's CSV"),
        (tsv_of_label_studio, "export.tsv is Label Studio's TSV"),
        (film_of_cvat, "annotations.xml is CVAT for video"),
    ],
)
def test_refused_by_name(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    make(tmp_path)
    with pytest.raises(ImportUnreadable, match=says):
        read(tmp_path)


@pytest.mark.parametrize("equal", [True, False])
def test_sides_with_lists_that_agree(tmp_path: Path, equal: bool) -> None:
    """labelImg writes one into every folder it saves to."""
    for side in ("train", "val"):
        pair(tmp_path / side, side)
        write(tmp_path / side / "classes.txt", "jason\n" if equal or side == "train" else "jason\n\n")
    assert [boxes(each) for each in read(tmp_path)[0]] == [[FOUND]] * 2


def test_boxes_far_outside_are_said(tmp_path: Path) -> None:
    """Corners taken for a corner and a size are cut to something that looks right."""
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.jpg")
    write(
        tmp_path / "c.json",
        {
            "images": [{"id": number, "file_name": f"{name}.jpg", "width": 320, "height": 240} for number, name in ((1, "a"), (2, "b"))],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [200, 150, 300, 220]},
                {"id": 2, "image_id": 2, "category_id": 1, "bbox": [300, 20, 30, 40]},
            ],
            "categories": [{"id": 1, "name": "jason"}],
        },
    )
    _, log = read(tmp_path)
    assert log.notes == {CUT: ["a.jpg"]}


def region(number: int) -> dict[str, Any]:
    value = {"x": 18.75, "y": 12.5, "width": 12.5, "height": 25, "rotation": 0, "rectanglelabels": ["jason"]}
    made = {"id": f"r{number}", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value}
    return {**made, "original_width": 320, "original_height": 240}


def test_a_picture_of_another_shape_than_people_saw_is_refused(tmp_path: Path) -> None:
    """Label Studio's JSON with --media that has another picture of that name; sizes beside boxes of a button say nothing."""
    tasks = []
    for number, size in ((1, (320, 240)), (2, (640, 480)), (3, (500, 200)), (4, (500, 200))):
        picture(tmp_path / f"{number}.jpg", size)
        answer: dict[str, Any] = {"id": number, "completed_by": 1, "was_cancelled": False, "result": [region(number)], "lead_time": 2.0}
        tasks.append({"id": number, "data": {"image": f"/data/upload/1/{number}.jpg"}, "annotations": [answer]})
    button = tasks[3]["annotations"][0]  # type: ignore[index]
    button |= {"lead_time": None, "parent_prediction": 7}
    write(tmp_path / "export.json", tasks)
    found, log = read(tmp_path)
    assert {each.name: boxes(each) for each in found} == {
        "1.jpg": [FOUND],
        "2.jpg": [("jason", (120, 60, 200, 180))],
        "4.jpg": [("jason", (93.75, 25, 156.25, 75))],
    }
    assert [(each.name, each.why) for each in log.refused] == [("3.jpg", "The file says 320 x 240, the picture is 500 x 200.")]
