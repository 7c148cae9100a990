"""A full disk, and files that are damaged: named, nothing half, and the same command goes on when it is mended."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.lab import Lab, Row

SIZE_MB = 24
UNFORESEEN = "did not foresee"


def full_disks(lab: Lab) -> Iterator[Row]:
    """A small tmpfs, filled to the last so many KB."""
    try:
        with _tmpfs(lab.stand.folder / "small") as disk:
            data, project = lab.stand.folder / "data", str(lab.project)
            shutil.copytree(data, disk / "data", ignore=shutil.ignore_patterns("*.lock", "cache*", "media"))
            cases: dict[str, tuple[str, ...]] = {
                "export": ("export", "coco", "--project", project, "--out", str(disk / "coco")),
                "train": ("train", "--manifest", str(data / "exports" / project), "--project", project),
                "heads pin": ("heads", "pin", _head(lab), "--project", project),
            }
            if _is_alone(lab):
                cases = {"heads pin": cases["heads pin"]}
            for name, arguments in cases.items():
                for room in (0, 64):
                    yield _full(lab, disk, name, arguments, room)
    except OSError as error:
        yield Row("disk full", "a tmpfs can be mounted here", str(error), "not run", "run", False)


def _is_alone(lab: Lab) -> bool:
    """Whether there is no Label Studio, and so no export."""
    return lab.stand.local.url is None


def _head(lab: Lab) -> str:
    return str(lab.stand.store().newest(str(lab.project)) or "none")


def _full(lab: Lab, disk: Path, name: str, arguments: tuple[str, ...], room_kb: int) -> Row:
    filler = disk / "filler"
    left = shutil.disk_usage(disk).free - room_kb * 1024
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, left))
    code, said = lab.run(*arguments, data_dir=disk / "data")
    filler.unlink()
    again, said_again = lab.run(*arguments, data_dir=disk / "data")
    words = " ".join(said.split())[-160:]
    seen = f"exit {code}{' (unforeseen)' if UNFORESEEN in said else ''}: {words}; with room again exit {again}"
    if again:
        seen += f": {' '.join(said_again.split())[-160:]}"
    return Row(
        f"disk full in {name}, {room_kb} KB left", "named, and goes on with room", seen, again, "0", again == 0 and UNFORESEEN not in said
    )


@contextmanager
def _tmpfs(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode:
        raise OSError("mount is not allowed here; it needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "random": lambda data: bytes(at * 37 % 251 for at in range(max(4096, len(data)))),
}


def damaged_files(lab: Lab) -> Iterator[Row]:
    """Each kind of file that is kept, read by a command that needs it."""
    data, project = lab.stand.folder / "data", str(lab.project)
    heads = ("heads", "list", "--project", project)
    read_by: dict[str, tuple[str, ...]] = {
        "projects.json": ("heads", "list"),
        "format.json": ("jobs", "list"),
        "jobs/jobs.sqlite": ("jobs", "list"),
        "models.json": ("detect", str(next(lab.stand.documents.glob("*.jpg"))), "--prompt", "cat face", "--json"),
        "cache.sqlite": ("detect", str(next(lab.stand.documents.glob("*.jpg"))), "--prompt", "cat face", "--json"),
        f"exports/{project}/manifest.jsonl": ("train", "--manifest", str(data / "exports" / project), "--project", project),
        f"bundles/{project}/*/bundle.json": heads,
        f"bundles/{project}/*/*.safetensors": heads,
    }
    for pattern, arguments in read_by.items():
        for path in sorted(data.glob(pattern))[-1:]:
            for how, damage in DAMAGE.items():
                yield _damaged(lab, path, how, damage, arguments)


def _damaged(lab: Lab, path: Path, how: str, damage: Callable[[bytes], bytes], arguments: tuple[str, ...]) -> Row:
    good = path.read_bytes()
    beside = [path.with_name(path.name + each) for each in ("-wal", "-shm")]
    for each in beside:
        each.unlink(missing_ok=True)
    path.write_bytes(damage(good))
    code, said = lab.run(*arguments)
    for each in [path, *beside, *path.parent.glob(f"{path.name}.damaged*")]:
        each.unlink(missing_ok=True)
    path.write_bytes(good)
    seen = f"`{arguments[0]}` exit {code}: {' '.join(said.split())[-140:]}"
    named = UNFORESEEN not in said and "Traceback" not in said
    return Row(f"{path.name} {how}", "set aside, left out, or named with the way out", seen, code, "no exit 70", named and code != 70)
