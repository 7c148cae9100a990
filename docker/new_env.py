"""Prints docker/.env: env.example with secrets made up. Needs nothing but Python."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

# A legacy token of Label Studio has at most 40 characters.
MADE_UP = ("DINOLABEL_SECRET=", "DINOLABEL_STUDIO_TOKEN=", "STUDIO_PASSWORD=", "DATABASE_PASSWORD=")


def filled(example: str) -> str:
    return "".join(f"{line}{secrets.token_hex(20)}\n" if line in MADE_UP else f"{line}\n" for line in example.splitlines())


if __name__ == "__main__":
    sys.stdout.write(filled(Path(__file__).with_name("env.example").read_text(encoding="utf-8")))
