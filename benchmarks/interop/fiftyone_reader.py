"""FiftyOne's readers, in its environment: `python fiftyone_reader.py EXPORTS OUT.json`, as readers.py."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from readers import Found, corners, main, sides


def _keep(dataset: object, found: Found) -> None:
    for sample in dataset:  # type: ignore[attr-defined]
        name, size = Path(sample.filepath).name, sample.metadata
        marks = next((sample[field] for field in ("detections", "ground_truth") if sample.has_field(field) and sample[field]), None)
        found["pictures"].append([name])
        for each in getattr(marks, "detections", ()):
            x, y, width, height = each.bounding_box
            box = corners(x * size.width, y * size.height, width * size.width, height * size.height)
            found["boxes"].append([name, each.label, *box])
        if hasattr(marks, "label"):
            found["crops"].append([name, marks.label])


def _load(found: Found, form: str, **how: object) -> None:
    import fiftyone as fo

    dataset = fo.Dataset.from_dir(dataset_type=getattr(fo.types, form), **how)
    dataset.compute_metadata()
    _keep(dataset, found)
    dataset.delete()


def coco(root: Path, found: Found) -> None:
    for index in sorted((root / "annotations").glob("instances_*.json")):
        side = index.stem.removeprefix("instances_")
        how = {"data_path": str(root / "images" / side), "labels_path": str(index), "label_types": "detections"}
        _load(found, "COCODetectionDataset", include_id=True, **how)


def yolo(root: Path, found: Found) -> None:
    for side in sides(root / "images"):
        _load(found, "YOLOv5Dataset", dataset_dir=str(root), yaml_path="data.yaml", split=side.name)


def voc(root: Path, found: Found) -> None:
    _load(found, "VOCDetectionDataset", data_path=str(root / "JPEGImages"), labels_path=str(root / "Annotations"))


def crops(root: Path, found: Found) -> None:
    for side in sides(root / "crops"):
        _load(found, "ImageClassificationDirectoryTree", dataset_dir=str(side))


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The database of FiftyOne's package, for this run alone: started by us, since its own start waits for some seconds only."""
    import importlib.util

    spec = importlib.util.find_spec("fiftyone")
    assert spec is not None and spec.origin is not None, "readers of another environment"
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        program = Path(spec.origin).parent / "db" / "bin" / "mongod"
        command = [program, "--dbpath", home, "--port", str(port), "--bind_ip", "127.0.0.1"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(120):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(1)
            yield f"mongodb://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    with database() as address:
        os.environ |= {"FIFTYONE_DATABASE_URI": address, "FIFTYONE_CONFIG_PATH": str(Path(sys.argv[2]).parent / "fiftyone.json")}
        os.environ |= {"FIFTYONE_DO_NOT_TRACK": "true", "FIFTYONE_DATABASE_VALIDATION": "false"}
        main(Path(sys.argv[1]), Path(sys.argv[2]), [(each.__name__, "fiftyone", each) for each in (coco, yolo, voc, crops)])
