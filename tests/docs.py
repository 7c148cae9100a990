"""What the pages tell people to type: their fenced blocks, the commands in them, and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = (
    "dinolabel",
    "make",
    "python",
    "python3",
    "pre-commit",
    "curl",
    "pip",
    "git",
    "docker",
    "exiftool",
    "export",
    "cd",
    "cp",
    "mkdir",
    ".",
)
PROSE = re.compile(r"^\s*(```|~~~).*?^\s*\1", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. kind: its info string, "" when it has none. line: of its first line in the page."""

    page: str
    kind: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """Its command lines, continued ones joined and comments taken off; none when it is no shell."""
        if self.kind not in ("", "sh", "bash", "shell", "console"):
            return []
        joined = self.text.replace("\\\n", " ").splitlines()
        lines = [re.sub(r"\s+#.*", "", line).strip() for line in joined if not line.lstrip().startswith("#")]
        return [line for line in lines if _program(line) in PROGRAMS]


def _program(line: str) -> str:
    """The word that is run, after NAME=value words; "" when there is none."""
    words = line.split()
    return next((each for each in words if not re.match(r"[A-Z_]+=", each)), "") if words else ""


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    found = re.finditer(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [Block(name, each[1], each[2], text.count("\n", 0, each.start()) + 2) for each in found]


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page) for line in block.commands]


def words(line: str) -> list[str]:
    """The words of a command line, without redirections, `&` and what follows a pipe; NAME=value words in front are left out."""
    found = shlex.split(line.split(" | ")[0].removesuffix("&").split(" > ")[0])
    while found and re.match(r"[A-Z_]+=", found[0]):
        found = found[1:]
    return found


def inline(page: Path) -> list[str]:
    """`dinolabel …` within sentences and tables."""
    return re.findall(r"`(dinolabel [^`\n]+)`", PROSE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(path, anchor) of each link to a file of ours; path "" means the page itself."""
    for target in re.findall(r"\]\(([^)\s]+)\)", PROSE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.+)$", PROSE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
