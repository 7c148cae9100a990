"""Writes docker/locks/: every package that dinolabel runs on, one version and all its hashes, for Python 3.11 to 3.13 on every system.

Run by `python run.py lock`; `--check` writes nothing and fails where requirements.txt resolves to something else. Uses
uv (docker/tool.py), and otherwise only the standard library.

build.lock        what builds the few packages that are published as source only
torch.lock        torch and its CUDA packages as the registry has them; not used where DINOLABEL_TORCH_INDEX names another build
dinolabel.lock    everything else; label-studio-ml too, whose own pins break everything beside it (docs/decisions.md)
faces.lock        the extra `faces`, for an image that has it (docs/docker.md)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tool import ROOT, tool

LOCKS = ROOT / "docker" / "locks"
UV = "uv==0.13.9"
PYTHONS = ("3.11", "3.12", "3.13")
WITHOUT_DEPENDENCIES = "label-studio-ml==1.0.9"
BUILD = "setuptools>=77"
# What only the registry's CUDA build of torch on Linux asks for, and what is for browsers only.
LEFT_OUT = (
    "cuda-bindings", "cuda-toolkit", "nvidia-cudnn-cu13", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13", "nvidia-nvshmem-cu13", "triton",
    "httpx2-jsfetch",
)  # fmt: skip


def resolved(wanted: str, *options: str, before: Path | None = None, python: str | None = None) -> str:
    """What uv makes of requirements, given as text; ends the program when nothing fits. before: a lock whose versions are kept if they can.

    python: for this one on Linux; None: for all of them, everywhere, with hashes.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "wanted.txt"), Path(folder, "out.txt")
        source.write_text(wanted, encoding="utf-8")
        if before is not None and before.exists():
            out.write_bytes(before.read_bytes())
        which = (
            ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
            if python
            else ["--generate-hashes", "--universal", "--python-version", PYTHONS[0]]
        )
        fixed = ["--no-header", "--no-annotate", "--quiet", "--default-index", "https://pypi.org/simple"]
        # A folder or an index of this machine must not decide what everybody gets.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
        command = [tool(UV, "uv"), "pip", "compile", source, "--output-file", out, *which, *fixed, *options]
        if subprocess.run([str(each) for each in command], env=environment, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"requirements.txt does not resolve on Python {python or '3.11 and later'}.")
        return out.read_text(encoding="utf-8")


def without(lock: str, names: set[str]) -> str:
    """A lock without these packages."""
    blocks = re.split(r"(?m)^(?=\S)", lock)
    return "".join(each for each in blocks if re.split(r"[=\[ ]", each, maxsplit=1)[0] not in names)


def names(lock: str) -> set[str]:
    return set(re.findall(r"(?m)^([A-Za-z0-9._-]+)==", lock))


def extra(name: str) -> list[str]:
    """The requirements of an extra of ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"][name])


def locks() -> dict[str, str]:
    """File name -> contents, from requirements.txt as it is now."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8") + f"\n{BUILD}\n"
    torch = next(line for line in requirements.splitlines() if line.startswith("torch=="))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as excluded:
        excluded.write("\n".join(LEFT_OUT))
        excluded.flush()
        everything = resolved(requirements, "--excludes", excluded.name, before=LOCKS / "dinolabel.lock")
    everything = without(everything, {"torch"})
    alone = resolved(WITHOUT_DEPENDENCIES, "--no-deps")
    with_cuda = resolved(torch, before=LOCKS / "torch.lock")
    build = without(everything, names(everything) - {"setuptools"})
    return {
        "build.lock": build,
        "torch.lock": without(with_cuda, names(everything)),
        "dinolabel.lock": everything.rstrip("\n") + "\n" + alone,
        "faces.lock": resolved("\n".join(extra("faces")), "--no-deps"),
    }


def main() -> None:
    if "--check" in sys.argv[1:]:
        requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        for each in PYTHONS:
            print(f"Python {each}: {len(names(resolved(requirements, python=each)))} packages", flush=True)
    differs = []
    for name, text in locks().items():
        text = f"# Made by `python run.py lock` from requirements.txt; not written by hand.\n{text}"
        path = LOCKS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        differs.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print("As requirements.txt resolves now." if not differs else f"Differs: {', '.join(differs)}.")
    if differs and "--check" in sys.argv[1:]:
        sys.exit("Run `python run.py lock` and commit docker/locks/.")


if __name__ == "__main__":
    main()
