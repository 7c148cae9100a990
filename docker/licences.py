"""Writes docs/licences.md: what is installed with dinolabel and under which licence. Run by `python run.py licences` in `.venv`.

Names and versions are those of docker/locks/; licences are what the installed packages say of themselves, as SPDX names where
they can be told. `check` lists what has no row, for the tests.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "docker" / "locks"
PAGE = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- packages -->", "<!-- /packages -->"
PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")

NVIDIA = "LicenseRef-NVIDIA-Proprietary"
# What says nothing of itself that a program could read, and what no Linux CPU machine has installed (read off the registry's metadata).
SAID_BY_HAND = {
    "async-timeout": "Apache-2.0", "audioop-lts": "PSF-2.0", "tzdata": "Apache-2.0", "label-studio-sdk": "Apache-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause", "cuda-bindings": "Apache-2.0", "cuda-pathfinder": "Apache-2.0", "cuda-toolkit": NVIDIA,
    "nvidia-nvtx": "Apache-2.0", "triton": "MIT",
}  # fmt: skip
# How packages write it -> SPDX.
SPDX = {
    "apache": "Apache-2.0", "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache-2": "Apache-2.0", "apache-2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0", "mit license": "MIT", "mit-license": "MIT", "mit": "MIT", "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause", "isc license": "ISC", "isc license (iscl)": "ISC", "zpl 2.1": "ZPL-2.1",
    "psfl": "PSF-2.0", "python software foundation license": "PSF-2.0", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0", "freebsd": "BSD-2-Clause", "bsd 3-clause or apache-2.0": "BSD-3-Clause OR Apache-2.0",
}  # fmt: skip


def pins(lock: Path) -> dict[str, str]:
    """Name as written -> version; of two for different Pythons the last."""
    return dict(PIN.findall(lock.read_text(encoding="utf-8")))


def named() -> set[str]:
    """What requirements.txt itself names, in lower case with hyphens."""
    return {_plain(name) for name in pins(ROOT / "requirements.txt")}


def licence(name: str) -> str:
    """Of a package, as SPDX where it can be told; raises LookupError where nothing tells it."""
    if _plain(name) in SAID_BY_HAND:
        return SAID_BY_HAND[_plain(name)]
    if name.startswith("nvidia-"):
        return NVIDIA
    try:
        said = _said(distribution(name))
    except PackageNotFoundError:
        said = ""
    if not said:
        raise LookupError(f"{name} says nothing of its licence here: add it to SAID_BY_HAND in docker/licences.py.")
    return said


def _said(package: Distribution) -> str:
    about = package.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    classes = [each.split(" :: ")[-1] for each in about.get_all("Classifier") or [] if each.startswith("License ::")]
    for each in (str(about.get("License") or "").strip(), *classes):
        if each and "\n" not in each and len(each) < 60 and each.lower() not in ("unknown", "dual license"):
            return SPDX.get(each.lower(), each)
    text = str(about.get("License") or "").lower()
    return "Apache-2.0" if "apache license" in text else "BSD-3-Clause" if "redistribution and use" in text else ""


def table() -> str:
    """The part of the page that is made."""
    everything = pins(LOCKS / "torch.lock") | pins(LOCKS / "dinolabel.lock")
    of_cuda = set(map(_plain, pins(LOCKS / "torch.lock"))) - {"torch"}
    ours = {name: version for name, version in everything.items() if _plain(name) in named() | {"label-studio-ml"}}
    theirs = {name: version for name, version in everything.items() if name not in ours and _plain(name) not in of_cuda}
    cuda = {name: version for name, version in everything.items() if _plain(name) in of_cuda}
    parts = [("Named by us", ours), ("Asked for by those", theirs), ("With torch's CUDA build on Linux only", cuda)]
    return "\n".join(f"### {title}\n\n| package | version | licence |\n|---|---|---|\n{_rows(each)}\n" for title, each in parts)


def _rows(packages: dict[str, str]) -> str:
    return "\n".join(
        f"| {name} | {version} | {licence(name)} |" for name, version in sorted(packages.items(), key=lambda each: each[0].lower())
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    try:
        made = table()
    except LookupError as error:
        sys.exit(str(error))
    PAGE.write_text(f"{head}{BEGIN}\n{made}{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
