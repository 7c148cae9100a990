"""Where models compute and how finely: what was asked for, matched with what this machine has."""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import structlog
import torch

from dinolabel.vision.errors import DeviceUnavailable

log = structlog.get_logger(__name__)

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
BEST_PRECISION = {"cuda": "float16", "mps": "float32", "cpu": "float32"}

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
PAUSE_SECONDS = 10.0


def pick(device: str = "auto", precision: str = "auto") -> tuple[str, torch.dtype]:
    """Device (`cpu`, `cuda:0`, `mps`) and number type for these wishes.

    device: auto takes CUDA, then MPS, then the CPU. precision: auto is float16 on CUDA and float32 elsewhere.
    Raises DeviceUnavailable when the device is not here or cannot compute like that.
    """
    chosen = _available() if device == "auto" else _check(device)
    kind = torch.device(chosen).type
    wanted = BEST_PRECISION[kind] if precision == "auto" else precision
    if wanted not in PRECISIONS:
        raise DeviceUnavailable(f"There is no precision {wanted!r}.", hint=f"Choose auto, {', '.join(PRECISIONS)}.")
    if kind == "cpu" and wanted == "float16":
        raise DeviceUnavailable("The CPU does not compute in float16.", hint="Set the precision to bfloat16, float32 or auto.")
    if kind == "cpu" and wanted == "bfloat16" and not computes_bfloat16():
        log.warning("precision_imitated", precision=wanted, hint="This CPU has no instructions for it: float32 is faster here.")
    return chosen, PRECISIONS[wanted]


def computes_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16. Without them torch imitates it: a training step of the nano embedder
    took 3.9 s in place of float32's 0.4 s on one AVX2 core."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # x86, x86, ARM


def quick_training() -> torch.autocast:
    """On the CPU: large products in bfloat16 where it has that, everything in float32 where not."""
    return torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16())


def precision_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


@contextmanager
def inference(device: str, dtype: torch.dtype) -> Iterator[None]:
    """No gradients; below float32 the large products run in `dtype` while weights, norms and coordinates stay float32.

    Autocast rather than halved weights, because GroundingDINO mixes float32 coordinates into every layer.
    """
    kind = torch.device(device).type
    with torch.inference_mode(), torch.autocast(kind, dtype, enabled=dtype != torch.float32), _MEMORY.use():
        yield


@cache
def tune_allocator() -> bool:
    """Keep large blocks in the process instead of returning them to the kernel after each layer; True when it took.

    Large activations are otherwise mapped, zeroed by page faults and unmapped again and again: GroundingDINO Swin-T at
    800 x 1066 took 16.3 CPU seconds without and 11.6 with it, the same outputs (1.4x). Memory stays at its peak until nothing was computed
    for PAUSE_SECONDS. Only glibc has the lever; elsewhere nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    took = bool(mallopt(M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    _MEMORY.kept = took
    return took


class UnusedMemory:
    """What the allocator keeps: given back to the kernel when nothing was computed for a while.

    kept: whether it keeps anything. waits: whether a thread waits for that while.
    """

    def __init__(self) -> None:
        self.kept = self.waits = False
        self._lock, self._users, self._last = threading.Lock(), 0, 0.0

    @contextmanager
    def use(self) -> Iterator[None]:
        """Round a computation."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._users -= 1
            self._last = time.monotonic()
            if self.kept and not self.waits:
                self.waits = True
                threading.Thread(target=self._wait, name="memory", daemon=True).start()

    def _wait(self) -> None:
        while True:
            with self._lock:
                left = PAUSE_SECONDS if self._users else self._last + PAUSE_SECONDS - time.monotonic()
                if left <= 0:
                    self.waits = False
                    break
            time.sleep(left)
        ctypes.CDLL(None).malloc_trim(0)
        log.debug("memory_given_back")


_MEMORY = UnusedMemory()


def use_threads(count: int | None) -> None:
    """Let the models use `count` CPU threads; None leaves it to torch."""
    if count is not None:
        torch.set_num_threads(count)


def _available() -> str:
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check(device: str) -> str:
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise DeviceUnavailable(f"There is no device {device!r}.", hint="Choose auto, cpu, cuda, cuda:1 or mps.") from error
    if asked.type == "cuda" and (asked.index or 0) < torch.cuda.device_count():
        return f"cuda:{asked.index or 0}"
    if asked.type == "mps" and torch.backends.mps.is_available():
        return "mps"
    if asked.type == "cpu":
        return "cpu"
    raise DeviceUnavailable(f"This machine has no {device}; it has {_available()}.")
