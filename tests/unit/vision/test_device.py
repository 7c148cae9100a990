from __future__ import annotations

import platform
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from structlog.testing import capture_logs

from dinolabel.vision.errors import DeviceUnavailable
from dinolabel.vision.loading import device
from tests.waiting import eventually


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


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "aarch64", "neon": True, "bf16": True}, True),
        ({"architecture": "aarch64", "neon": True}, False),
    ],
)
def test_bfloat16_is_computed_where_the_cpu_says_so(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert device.computes_bfloat16() is expected


@pytest.mark.parametrize(("precision", "capable", "warned"), [("bfloat16", False, True), ("bfloat16", True, False), ("auto", False, False)])
def test_imitated_bfloat16_is_warned_of(monkeypatch: pytest.MonkeyPatch, precision: str, capable: bool, warned: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable})
    with capture_logs() as logs:
        device.pick("cpu", precision)
    assert [entry["event"] for entry in logs] == ["precision_imitated"] * warned


def test_inference_has_no_gradients_and_the_precision_asked_for() -> None:
    weight = torch.ones(4, 4, requires_grad=True)
    for dtype in (torch.float32, torch.bfloat16):
        with device.inference("cpu", dtype):
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
from dinolabel.vision.loading.device import tune_allocator
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


def test_memory_is_given_back_after_a_pause_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=trimmed.append))
    monkeypatch.setattr(device, "PAUSE_SECONDS", 0.3)
    memory = device.UnusedMemory()
    with memory.use():
        pass
    assert not memory.waits, "an allocator that keeps nothing has nothing to give"
    memory.kept = True
    with memory.use():
        with memory.use():
            pass
        time.sleep(0.5)
        assert memory.waits and not trimmed, "another computation is under way"
    eventually(lambda: trimmed == [0] and not memory.waits)
    with memory.use():
        pass
    eventually(lambda: trimmed == [0, 0])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the lever")
def test_a_process_shrinks_after_a_pause() -> None:
    code = """
import time, torch
from pathlib import Path
from dinolabel.vision.loading import device

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

device.PAUSE_SECONDS = 0.5
assert device.tune_allocator()
with device.inference("cpu", torch.float32):
    kept = [torch.ones(1 << 20) for _ in range(100)]
    end = torch.ones(1)
del kept
peak, limit = resident(), time.monotonic() + 60
while resident() > peak - 300 and time.monotonic() < limit:
    time.sleep(0.1)
print(peak, resident())
assert resident() <= peak - 300
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
