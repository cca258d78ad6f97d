"""Several processes that train one model: each draws pictures of its own, all take the same steps.

    torchrun --nproc-per-node 8 -m -- reenact.train ...

torchrun starts the processes, one for each GPU, and tells each its rank. Without it there is one, and nothing here does
anything. Gradients are averaged after every backward pass, all of them as one vector: the stages call more of a model
than its forward, which torch's DistributedDataParallel does not see. Batch norms take the statistics of their own
process's batch, as is usual; what they remember is averaged whenever a snapshot is written.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn


def device() -> torch.device:
    """Where this process trains: the GPU of its number on this machine, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def group() -> Iterator[None]:
    """Join the processes that torchrun started, if it did; they part at the end."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if device().type == "cuda":
        torch.cuda.set_device(device())
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 for the first, which alone writes and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def agree(number: float) -> float:
    """The first process's number, in every process; also: wait until the first one is here.

    It travels between CPUs, so that no GPU is waited for.
    """
    if world() == 1:
        return number
    shared = torch.tensor(number, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Every gradient becomes its mean over the processes, that of a loss over the joint batch.

    A parameter that got no gradient must have got none in any process.
    """
    if world() > 1:
        _average([p.grad for p in parameters if p.grad is not None])


def average_buffers(network: nn.Module) -> None:
    """What batch norms remember becomes the mean over the processes."""
    if world() > 1:
        _average([b for b in network.buffers() if b.is_floating_point()])


def share_weights(network: nn.Module) -> None:
    """Every process takes the first one's weights and buffers."""
    if world() == 1:
        return
    for tensor in network.state_dict().values():
        shared = tensor.contiguous()
        dist.broadcast(shared, 0)
        tensor.copy_(shared)


def seed_draws(step: int) -> None:
    """Seed numpy's and torch's global draws: other ones in each process, and where a run goes on.

    So a run that is repeated with the same number of processes draws the same.
    """
    numpy_seed, torch_seed = np.random.SeedSequence([step, rank()]).generate_state(2).tolist()
    np.random.seed(numpy_seed)
    torch.manual_seed(torch_seed)


@torch.no_grad()
def _average(tensors: list[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = torch.split(flat / world(), [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))
