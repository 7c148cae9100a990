"""The setting `threads` reaches the models. In a process of its own: torch's number of threads is the whole process's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import torch
from dinolabel import factory
from dinolabel.settings import Settings
factory.pipeline(Settings.load(data_dir={data!r}, detector_weights="nano", embedder_weights="nano", threads={threads}))
print(torch.get_num_threads())
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_the_models_use_as_many_threads_as_was_said(tmp_path: Path, threads: int) -> None:
    code = CODE.format(data=str(tmp_path), threads=threads)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == str(threads)
