"""Trains in several single-thread processes that average their gradients.

Knows nothing of what is trained. On two cores this beats one process with two threads: most of a nano model's time goes
to operations too small to be split.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def launch(processes: int, work: Callable[..., None], *arguments: object) -> None:
    """Calls `work(*arguments)` in every process; one process needs no others."""
    if processes == 1:
        torch.set_num_threads(1)
        work(*arguments)
        return
    mp.spawn(start, args=(processes, free_port(), work, arguments), nprocs=processes, join=True)


def start(rank: int, processes: int, port: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    work(*arguments)
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def world() -> tuple[int, int]:
    """This process's number and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def average_gradients(weights: list[torch.nn.Parameter]) -> None:
    """One message for all: gloo's cost is per message, and the gradients are only 13 MB."""
    if not dist.is_initialized():
        return
    given = [w.grad for w in weights if w.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in given])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for grad, part in zip(given, flat.split([g.numel() for g in given]), strict=True):
        grad.copy_(part.view_as(grad))
