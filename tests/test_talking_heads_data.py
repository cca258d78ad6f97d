"""Data sets of talking heads: the same bytes however they came about, and never half of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.errors import UserError
from reenact.talking_heads import dataset, shards
from reenact.talking_heads.dataset import (
    Form,
    Plan,
    designed_people,
    random_people,
    render_job,
    write_dataset,
)
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import FACTORS

SIZE, CLIP = 48, 3
FORM = Form(CLIP, SIZE, stride=5, camera=True)

KILLED = f"""
import sys
from pathlib import Path
from reenact.talking_heads import dataset
dataset.SHARD = 2
if __name__ == "__main__":
    form = dataset.Form({CLIP}, {SIZE}, stride=5, camera=True)
    plan = dataset.random_people(7, form, first_seed=20, first_motion=4)
    for done in dataset.write_dataset(plan, Path(sys.argv[1]), 3, tell=lambda text: None):
        print(done, flush=True)
"""


def plan() -> Plan:
    return random_people(7, FORM, first_seed=20, first_motion=4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set by one process, in one go, with shards of two clips."""
    folder = tmp_path_factory.mktemp("data") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD", 2)
        told: list[str] = []
        assert list(write_dataset(plan(), folder, 1, told.append)) == list(range(1, 8))
    assert len(told) == 1 and "5 clips" in told[0] and "GB" in told[0]
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_killed_set_reads_as_unfinished_and_goes_on_to_the_same_bytes(
    tmp_path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, folder = tmp_path / "write.py", tmp_path / "set"
    script.write_text(KILLED)
    root = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        while writer.stdout.readline().strip() != "4":
            assert writer.poll() is None
        writer.kill()
        writer.communicate(timeout=60)  # the pipe ends only when its workers have ended, too
    with pytest.raises(UserError, match="unfinished"):
        shards.read_description(folder)
    monkeypatch.setattr(dataset, "SHARD", 2)
    kept = len(list(folder.rglob("0000?.npz"))) + 2 * len(list(folder.glob("0000?")))
    assert kept >= 4
    done = list(write_dataset(plan(), folder, 2, lambda text: None))
    assert done == list(range(kept + 1, 8))
    assert content(folder) == content(whole)


def test_rows_are_what_was_rendered(whole: Path) -> None:
    description = shards.read_description(whole)
    arrays = shards.read_arrays(whole, description)
    count = 7 * CLIP
    assert arrays["factors"].shape == (count, len(FACTORS))
    assert arrays["landmarks"].shape == (count, len(LANDMARKS), 2)
    assert arrays["factors"].dtype == arrays["landmarks"].dtype == np.float32
    assert arrays["person"].tolist() == np.repeat(np.arange(20, 27), CLIP).tolist()
    assert arrays["motion"].tolist() == np.repeat([4, 4, 5, 5, 6, 6, 7], CLIP).tolist()
    assert description["factors"] == list(FACTORS) and description["size"] == SIZE
    clip = render_job(plan().jobs[4], FORM)
    rows = np.arange(4 * CLIP, 5 * CLIP)
    for name in ("alpha", "labels"):
        np.testing.assert_array_equal(arrays[name][rows], getattr(clip, name))
    np.testing.assert_array_equal(arrays["factors"][rows], clip.factors)
    assert clip.camera is not None
    for name, pictures, most in (("frames", clip.frames, 3.0), ("camera", clip.camera, 6.0)):
        read = arrays[name][rows[::-1]][::-1]  # in the order that was asked for
        assert read.shape == (CLIP, SIZE, SIZE, 3) and len(arrays[name]) == count
        assert np.sqrt(((read.astype(float) - pictures) ** 2).mean()) < most
    parameters = json.loads((whole / "00002" / "parameters.json").read_text())
    assert parameters[0] == json.loads(json.dumps(clip.parameters))
    assert parameters[0]["person"]["seed"] == 24


def test_two_people_of_a_pair_move_alike(whole: Path) -> None:
    factors = shards.read_arrays(whole, shards.read_description(whole))["factors"]
    np.testing.assert_array_equal(factors[:CLIP], factors[CLIP : 2 * CLIP])
    assert not np.array_equal(factors[:CLIP], factors[2 * CLIP : 3 * CLIP])


def test_finished_set_is_not_rendered_again(whole: Path, monkeypatch) -> None:
    monkeypatch.setattr(dataset, "SHARD", 2)
    before = content(whole)
    assert list(write_dataset(plan(), whole, 1)) == []
    assert content(whole) == before


def test_other_sets_and_foreign_folders_are_left_alone(whole: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(dataset, "SHARD", 2)
    before = content(whole)
    other = random_people(7, Form(CLIP, 64, stride=5, camera=True), first_seed=20, first_motion=4)
    with pytest.raises(UserError, match="differs in: size"):
        next(write_dataset(other, whole, 1))
    monkeypatch.setattr(dataset, "renderer_fingerprint", lambda: "00000000")
    with pytest.raises(UserError, match="renderer"):
        next(write_dataset(plan(), whole, 1))
    assert content(whole) == before
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="other things"):
        next(write_dataset(plan(), tmp_path, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(UserError, match="Cannot write"):
        next(write_dataset(plan(), tmp_path / "letter.txt" / "set", 1))


def test_full_disk_is_told_before_it_is_full(tmp_path, monkeypatch) -> None:
    class Usage:
        free = 50_000

    monkeypatch.setattr(dataset.shutil, "disk_usage", lambda folder: Usage)
    steps = write_dataset(plan(), tmp_path / "set", 1, lambda text: None)
    with pytest.raises(UserError, match="free"):
        list(steps)


def test_damaged_files_are_named(whole: Path, tmp_path) -> None:
    broken = tmp_path / "broken"
    for name, data in content(whole).items():
        (broken / name).parent.mkdir(parents=True, exist_ok=True)
        (broken / name).write_bytes(data)
    description = shards.read_description(broken)
    (broken / "00001" / "factors.npy").write_bytes(b"none")
    with pytest.raises(UserError, match="damaged"):
        shards.read_arrays(broken, description)
    (broken / "dataset.json").write_text("{")
    with pytest.raises(UserError, match=r"dataset --out"):
        shards.read_description(broken)


def test_designed_people_share_their_motions(tmp_path) -> None:
    file = tmp_path / "people.json"
    file.write_text('[{"seed": 7, "gender": "female"}, {"seed": 9, "light": "soft"}]')
    designed = designed_people(file, 2, FORM, first_motion=30, plain=True)
    assert [(job.person, job.motion) for job in designed.jobs] == [
        (7, 30),
        (7, 31),
        (9, 30),
        (9, 31),
    ]
    assert designed.jobs[2].wish == {"background": "plain", "light": "soft"}
    file.write_text('[{"gender": "female"}]')
    with pytest.raises(UserError, match="seed"):
        designed_people(file, 2, FORM)


def test_starters_people_can_be_rendered() -> None:
    file = Path(dataset.__file__).parents[1] / "starter" / "people.json"
    form = Form(1, 32)
    frames = [render_job(job, form).frames for job in designed_people(file, 1, form).jobs]
    assert len(frames) == 10 and min(frame.std() for frame in frames) > 10
