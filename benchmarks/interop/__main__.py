"""`python -m benchmarks.interop --home FOLDER`: exports a project in every format and has it read; run by `make interop`.

Writes interop.json (rows of what, value, goal, holds) and the table of docs/exports.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.interop.compare import Cell, compare
from benchmarks.interop.world import make
from dinolabel.exporters.output.crop_manifest import place_in_lists

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FORMATS = ("coco", "yolo", "voc", "crops", "hf", "parquet", "csv")
READERS = {"readers": "readers.py", "fiftyone": "fiftyone_reader.py"}
BEGIN, END = "<!-- interop: begin -->", "<!-- interop: end -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.interop")
    parser.add_argument("--home", type=Path, required=True, help="folder with an environment for each of the readers")
    home = parser.parse_args().home.resolve()
    with tempfile.TemporaryDirectory() as folder:
        exports, truth = Path(folder) / "exports", make(Path(folder) / "project")
        for form in FORMATS:
            _export(Path(folder) / "project", form, exports / form)
        crops = _crops(exports / "crops")
        cells = [compare(each, truth, crops) for name in READERS for each in _read(home, name, exports)]
    lines = table(cells)
    print("\n".join(lines))
    rows = [row for each in cells for row in rows_of(each)]
    (ROOT / "interop.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _into_docs(ROOT / "docs" / "exports.md", lines)
    return 0


def _export(project: Path, form: str, out: Path) -> None:
    command = [sys.executable, "-P", "-m", "dinolabel", "export", form, "--from", str(project / "export.json"), "--out", str(out)]
    command += ["--media", str(project / "pictures"), "--label-config", str(project / "labels.xml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project)
    if done.returncode:
        raise RuntimeError(f"export {form} ended with {done.returncode}: {done.stderr[-500:]}")


def _crops(out: Path) -> dict[str, tuple[str, str]]:
    """Of each crop that readers of classes see: its label, and the folder that stands for it."""
    rows = map(json.loads, (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    places = {row["crop"]: (row["label"], place_in_lists(row["crop"])) for row in rows}
    return {Path(place.name).stem: (label, place.folder) for label, place in places.values() if place is not None}


def _read(home: Path, name: str, exports: Path) -> list[dict[str, Any]]:
    """What the readers of an environment said; one that could not be made is named."""
    out, python = home / f"{name}.json", home / name / "bin" / "python"
    if not python.exists():
        return [{"format": "coco", "peer": name, "error": "could not be installed", "pictures": [], "boxes": [], "crops": []}]
    subprocess.run([python, HERE / READERS[name], exports, out], check=True, stdout=sys.stderr)
    found: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return found


def rows_of(cell: Cell) -> list[dict[str, Any]]:
    """What was measured of a reader, each with its goal."""
    name = f"{cell.form} read by {cell.peer} {cell.version}"
    value = cell.error or cell.found
    rows: list[dict[str, Any]] = [{"what": name, "value": value, "goal": cell.of, "holds": cell.error is None and cell.found == cell.of}]
    if cell.error is None:
        read, there = cell.pictures
        rows.append(
            {"what": f"{name}: {'crops' if cell.form == 'crops' else 'pictures'}", "value": read, "goal": there, "holds": read == there}
        )
        if cell.difference is not None:
            near = cell.difference <= cell.most
            rows.append({"what": f"{name}: pixels off", "value": round(cell.difference, 6), "goal": cell.most, "holds": near})
    return rows


def table(cells: Sequence[Cell]) -> list[str]:
    """Peers by formats, in Markdown."""
    peers = {each.peer: each.version for each in sorted(cells, key=lambda each: each.peer)}
    found = {(each.peer, each.form): each.words.replace("|", "/") for each in cells}
    lines = [f"| | {' | '.join(FORMATS)} |", f"|---{'|---' * len(FORMATS)}|"]
    for peer, number in peers.items():
        lines.append(f"| {peer} {number} | " + " | ".join(found.get((peer, form), "") for form in FORMATS) + " |")
    return lines


def _into_docs(page: Path, lines: Sequence[str]) -> None:
    text = page.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    page.write_text(text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
