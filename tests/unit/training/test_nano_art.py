"""The cache of art is shared by processes that all start at once."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recipes.nano.art import Vendor, fetch

# npm as far as it matters: the tarball grows in the folder it was told, slowly.
NPM = """#!/bin/sh
printf half > "$5/some-art-1.0.0.tgz"
sleep 0.5
printf whole >> "$5/some-art-1.0.0.tgz"
"""


def test_nobody_reads_a_tarball_that_is_still_coming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    digest = base64.b64encode(hashlib.sha512(b"halfwhole").digest()).decode()
    vendor = Vendor("some", "@some/art", "1.0.0", digest, "MIT", "nobody")

    with ThreadPoolExecutor(4) as several:
        paths = list(several.map(lambda _: fetch(vendor, tmp_path / "cache"), range(4)))

    assert {each.read_bytes() for each in paths} == {b"halfwhole"}
    assert [each.name for each in (tmp_path / "cache" / "npm").iterdir()] == ["some-art-1.0.0.tgz"]
