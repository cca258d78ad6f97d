"""Two real processes under torchrun train as one would on the joint batch."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')

import train_together  # noqa: E402

from reenact.train import distributed, run  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained."""
    folder = tmp_path_factory.mktemp("together")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, str(ROOT / "tests" / "train_together.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"result_{rank}.pt") for rank in (0, 1)]


def test_both_begin_alike_and_stay_equal(results: list[dict[str, Any]]) -> None:
    first, second = (result["weights"] for result in results)
    assert all(first[name].equal(second[name]) for name in first)


def test_they_train_as_one_process_on_the_joint_batch(results: list[dict[str, Any]]) -> None:
    alone = train_together.network(seed=0)
    before = {name: tensor.clone() for name, tensor in alone.state_dict().items()}
    optimizer = torch.optim.Adam(alone.parameters(), 1e-3)
    alone.eval()
    for step in range(train_together.STEPS):
        train_together.step(alone, optimizer, train_together.batch(step))
    together = results[0]["weights"]
    moved = error = 0.0
    for name, tensor in alone.state_dict().items():
        moved = max(moved, float((tensor.float() - before[name].float()).abs().max()))
        error = max(error, float((tensor.float() - together[name].float()).abs().max()))
    assert error < 1e-3 * moved


def test_all_leave_at_the_same_step_by_the_first_clock(results: list[dict[str, Any]]) -> None:
    assert [result["steps"] for result in results] == [train_together.STEPS] * 2


def test_they_draw_differently(results: list[dict[str, Any]]) -> None:
    assert not results[0]["drawn"].equal(results[1]["drawn"])


def test_batch_norms_are_averaged_in_snapshots(folder: Path, results: list[dict[str, Any]]) -> None:
    apart = [result["apart"] for result in results]
    assert not apart[0].allclose(apart[1])
    mean = (apart[0] + apart[1]) / 2
    saved = torch.load(folder / "stage.pt")["model"]["stem.1.running_mean"]
    for joined in (saved, results[0]["joined"], results[1]["joined"]):
        assert joined.allclose(mean)


def test_only_the_first_shows(folder: Path) -> None:
    assert (folder / "shown_by_0").exists() and not (folder / "shown_by_1").exists()


def test_alone_everything_is_as_it_was() -> None:
    assert distributed.world() == 1 and distributed.rank() == 0 and distributed.agree(0.5) == 0.5
    weight = torch.nn.Parameter(torch.ones(2))
    run.descend((2 * weight).sum(), torch.optim.SGD([weight], 0.5))
    assert weight.tolist() == [0.0, 0.0]
    with distributed.group():
        assert distributed.world() == 1


def test_draws_repeat_and_go_on_differently() -> None:
    def draw(step: int) -> float:
        distributed.seed_draws(step)
        return float(torch.rand(()))

    assert draw(5) == draw(5) != draw(6)
