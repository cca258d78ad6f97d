"""The stream of clips: the same draws whoever renders, bounded reuse, and nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.errors import UserError
from reenact.talking_heads.dataset import Form, render_job
from reenact.talking_heads.stream import Batch, Stream, pair_jobs

FORM = Form(frames=3, size=32, stride=5, camera=True)
ARRAYS = ("frames", "camera", "alpha", "labels", "factors", "landmarks", "person")

ENDLESS = """
import sys
from reenact.talking_heads.dataset import Form
from reenact.talking_heads.stream import Stream
if __name__ == "__main__":
    with Stream(Form(frames=3, size=32), pairs=2, workers=1) as stream:
        print(stream._memory.name, flush=True)
        while True:
            stream.draw(1)
            print("drawn", flush=True)
"""


def drawn(workers: int) -> tuple[list[Batch], str]:
    """Two draws, and the name of the shared memory that was used."""
    with Stream(FORM, seed=5, pairs=2, uses=1, workers=workers) as stream:
        name = stream._memory.name
        return [stream.draw(2), stream.draw(1, frames=3)], name


def test_draws_follow_from_the_seed_whoever_renders() -> None:
    (one, memory), (two, _) = drawn(1), drawn(2)
    for a, b in zip(one, two, strict=True):
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert one[0].frames.shape == (2, 2, 1, 32, 32, 3) and one[0].alpha.shape == (2, 2, 1, 32, 32)
    assert one[1].frames.shape == (1, 2, 3, 32, 32, 3)
    np.testing.assert_array_equal(one[1].factors[:, 0], one[1].factors[:, 1])  # they move alike
    check_content(one)
    uses = Counter(tuple(pair) for batch in one for pair in batch.person.tolist())
    assert max(uses.values()) == 1 and len(uses) == 3
    assert not multiprocessing.active_children()
    with pytest.raises(FileNotFoundError):
        SharedMemory(memory)


def test_a_pair_is_ready_once_it_is_rendered() -> None:
    with Stream(FORM, seed=5, pairs=1, uses=1) as stream:
        stream._coming[0][1].result()
        assert stream.ready()
        expected = pair_jobs(5, 0)
        assert stream.draw(1).person[0].tolist() == [job.person for job in expected]


def check_content(batches: list[Batch]) -> None:
    """A pair is what its number says, byte for byte."""
    numbers = {tuple(job.person for job in pair_jobs(5, k)): k for k in range(20)}
    batch = batches[-1]
    jobs = pair_jobs(5, numbers[tuple(batch.person[0].tolist())])
    for side, job in enumerate(jobs):
        clip = render_job(job, FORM)
        np.testing.assert_array_equal(batch.frames[0, side], clip.frames)
        np.testing.assert_array_equal(batch.camera[0, side], clip.camera)
        np.testing.assert_array_equal(batch.landmarks[0, side], clip.landmarks)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, sent: signal.Signals) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        memory = process.stdout.readline().strip()
        assert process.stdout.readline() == "drawn\n"
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)  # ends when its workers have ended, too
    if sent == signal.SIGINT:
        assert "KeyboardInterrupt" in errors and "leaked" not in errors
    with pytest.raises(FileNotFoundError):
        SharedMemory(memory)


def test_killed_process_is_told() -> None:
    with Stream(FORM, pairs=1) as stream, pytest.raises(UserError, match="killed"):
        for process in multiprocessing.active_children():
            process.kill()
        stream.draw(1)


def test_too_large_a_buffer_is_refused() -> None:
    with pytest.raises(UserError, match="shared memory"):
        Stream(Form(frames=12, size=256), pairs=1_000_000)
    assert not multiprocessing.active_children()


def test_encoder_learns_from_streamed_pairs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from reenact.encoders import EncoderDims
    from reenact.spaces import Dims
    from reenact.talking_heads.dataset import random_people, write_dataset
    from reenact.talking_heads.motion import FACTORS
    from reenact.train.configuration import Configuration
    from reenact.train.data import load_frames
    from reenact.train.encoder import EncoderStage
    from reenact.train.replay import Replay

    form = Form(frames=2, size=64, stride=5, camera=True)
    assert list(write_dataset(random_people(2, form), tmp_path / "people", 1)) == [1, 2]
    dims = Dims(resolution=32, channel_base=512, channel_max=16, w_dim=16)
    sizes = EncoderDims(64, width=8, pyramid=16, submodule=8, motion=len(FACTORS), hidden=32)
    frames = load_frames(tmp_path / "people")
    settings = Configuration(dims, sizes, encoder_batch=4)
    with Stream(form, seed=5, pairs=1, uses=1) as stream:
        stage = EncoderStage(frames, tmp_path / "run", 0, settings)
        seen, known = stage.streamed(Replay(stream, form, pairs=2))
    assert seen.shape == (4, 3, 64, 64) and known.shape == (4, len(FACTORS))
    roll = FACTORS.index("head roll")  # the window turns each picture of a pair by itself
    others = [k for k in range(len(FACTORS)) if k != roll]
    assert known[0, others].equal(known[1, others]) and known[0, roll] != known[1, roll]
    assert not known[0].equal(known[2])
    before = stage.model.motion(seen).detach()
    stage.step(seen, known, 0.5)
    assert not stage.model.motion(seen).detach().equal(before)
