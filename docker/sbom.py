"""Writes what is installed in an environment as a CycloneDX document. Run by `python run.py sbom [FILE] [PYTHON]`.

FILE: sbom.json when none is named. PYTHON: of the environment; `.venv`'s when none is named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tool import BIN, ROOT, tool

CYCLONEDX = "cyclonedx-bom==7.5.0"


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.json").resolve()
    python = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / ".venv" / BIN / "python")
    about = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"]
    ended = subprocess.run([str(tool(CYCLONEDX, "cyclonedx-py")), "environment", python, *about, "--output-file", str(out)])
    if ended.returncode:
        sys.exit(f"No document was written. Is there an environment at {python}? `python run.py setup` makes .venv.")
    print(f"Wrote {out}.")


if __name__ == "__main__":
    main()
