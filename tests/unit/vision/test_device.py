from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from vision import device
from vision.errors import DeviceUnavailable


def machine(patch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    patch.setattr(torch.cuda, "device_count", lambda: cuda)
    patch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "asked", "expected"),
    [
        (0, False, ("auto", "auto"), ("cpu", torch.float32)),
        (0, False, ("cpu", "bfloat16"), ("cpu", torch.bfloat16)),
        (2, False, ("auto", "auto"), ("cuda:0", torch.float16)),
        (2, False, ("cuda", "bfloat16"), ("cuda:0", torch.bfloat16)),
        (2, False, ("cuda:1", "auto"), ("cuda:1", torch.float16)),
        (2, True, ("cpu", "auto"), ("cpu", torch.float32)),
        (0, True, ("auto", "auto"), ("mps", torch.float32)),
        (0, True, ("mps", "float16"), ("mps", torch.float16)),
    ],
)
def test_picks(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, asked: tuple[str, str], expected: tuple[str, torch.dtype]) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert device.pick(*asked) == expected


@pytest.mark.parametrize(
    ("cuda", "asked", "says"),
    [
        (0, ("cuda", "auto"), "no cuda; it has cpu"),
        (1, ("cuda:1", "auto"), "no cuda:1; it has cuda:0"),
        (0, ("mps", "auto"), "no mps"),
        (0, ("gpu", "auto"), "no device 'gpu'"),
        (0, ("xpu", "auto"), "no xpu"),
        (0, ("cpu", "float16"), "does not compute in float16"),
        (0, ("cpu", "int8"), "no precision 'int8'"),
    ],
)
def test_refuses(monkeypatch: pytest.MonkeyPatch, cuda: int, asked: tuple[str, str], says: str) -> None:
    machine(monkeypatch, cuda=cuda)
    with pytest.raises(DeviceUnavailable, match=says) as caught:
        device.pick(*asked)
    assert caught.value.hint


def test_computing_has_no_gradients_and_the_precision_asked_for() -> None:
    weight = torch.ones(4, 4, requires_grad=True)
    for dtype in (torch.float32, torch.bfloat16):
        with device.computing("cpu", dtype):
            product = weight @ weight
        assert product.dtype == dtype
        assert not product.requires_grad


def test_precision_name() -> None:
    assert device.precision_name(torch.bfloat16) == "bfloat16"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_tuned_allocator_keeps_large_blocks_in_the_process() -> None:
    """In a process of its own: page faults of ten 64 MB blocks, before and after."""
    script = """
import resource, torch
from vision.device import tune_allocator
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = faults()
assert tune_allocator()
faults()
print(before, faults())
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    before, after = map(int, out.stdout.split())
    assert after < before / 10
