"""What test_distributed.py has torchrun start twice: a few steps of a small encoder, each process on its own rows.

python -m torch.distributed.run ... tests/train_together.py FOLDER
"""

import itertools
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from reenact.encoders import EncoderDims, Pyramid
from reenact.train import distributed, run
from reenact.train.run import Run, descend, prepare

STEPS, BATCH = 4, 8
STEP_S = 2.0  # of the first process's clock


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return prepare(Pyramid(EncoderDims(crop=64, width=8, pyramid=16)))


def batch(step: int) -> Tensor:
    return torch.randn(BATCH, 3, 64, 64, generator=torch.Generator().manual_seed(step))


def step(model: nn.Module, optimizer: torch.optim.Optimizer, crops: Tensor) -> None:
    descend(sum(level.square().mean() for level in model(crops)), optimizer)  # type: ignore[arg-type]


def together(folder: Path) -> None:
    rank, world = distributed.rank(), distributed.world()
    model = network(seed=rank)  # not equal yet
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    run.clock = itertools.count(0.0, STEP_S * (1 + rank)).__next__  # the others' clocks run fast
    training = Run(folder, "stage", STEPS * STEP_S / 60, {"model": model, "optimizer": optimizer})
    model.eval()  # a batch norm's own statistics are not those of the joint batch
    steps = 0
    for _ in training.steps(lambda: "", lambda: (folder / f"shown_by_{rank}").touch()):
        step(model, optimizer, batch(steps)[rank::world])
        steps += 1
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    drawn = torch.rand(4)
    model.train()
    model(batch(rank))  # the batch norms' statistics part ways here
    apart = model.stem[1].running_mean.clone()
    training.save()
    result = {"steps": steps, "weights": weights, "drawn": drawn, "apart": apart,
              "joined": model.stem[1].running_mean}  # fmt: skip
    torch.save(result, folder / f"result_{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.group():
        together(Path(sys.argv[1]))
