"""The training's configuration: changed by name, kept in snapshots, compared when a run goes on."""

import itertools
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')

from reenact.errors import UserError  # noqa: E402
from reenact.train import run  # noqa: E402
from reenact.train.configuration import DEFAULT, PRESETS, check_same, configure, flat  # noqa: E402
from reenact.train.run import Run  # noqa: E402


def test_settings_change_by_name_and_keep_their_kind() -> None:
    changes = ["encoder_batch=7", "dims.channel_base=512", "phases.1.others=3", "windows=false"]
    configuration = configure("cpu", changes)
    assert configuration.encoder_batch == 7 and configuration.dims.channel_base == 512
    assert [phase.others for phase in configuration.phases] == [8, 3, 2]
    assert configuration.windows is False
    assert configure("cpu", []) == DEFAULT
    with pytest.raises(FrozenInstanceError):
        DEFAULT.windows = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("encoder_bach=7", "did you mean encoder_batch"),
        ("phases.9.batch=4", "did you mean phases"),
        ("encoder_batch=many", "cannot set encoder_batch=many"),
        ("windows=1", "true or false"),
        ("dims.resolution=100", "power of two"),
        ("encoder_batch", "cannot set"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(change: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        configure("cpu", [change])


def test_gpu_preset_is_wider_and_draws_whole_pictures() -> None:
    gpu = PRESETS["gpu"]
    assert gpu.dims.channel_base == 16384 and gpu.phases[-1].batch == 64 and not gpu.windows
    assert gpu.dims.resolution == DEFAULT.dims.resolution == 256


def test_going_on_with_other_settings_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "clock", itertools.count(0.0, 1.0).__next__)
    weights = {"model": torch.nn.Linear(2, 2)}
    begun = Run(tmp_path, "stage", 0, weights, DEFAULT)
    begun.save()
    assert Run(tmp_path, "stage", 0, weights, replace(DEFAULT)).step == 0
    with pytest.raises(UserError, match=r"join_rate \(0.0003 there, 0.5 here\)"):
        Run(tmp_path, "stage", 0, weights, replace(DEFAULT, join_rate=0.5))
    fewer = replace(DEFAULT, phases=DEFAULT.phases[:2])
    with pytest.raises(UserError, match=r"phases.2.batch \(8 there, None here\)"):
        check_same(fewer, flat(DEFAULT), "a snapshot")


def test_command_line_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("numba")
    from reenact.train.__main__ import main

    for arguments, says in (
        (["cost", "--set", "encoder_rat=1"], "did you mean encoder_rate?"),
        (["clips", str(tmp_path), "--out", str(tmp_path / "out")], "no video"),
        (["adapt", "--clips", str(tmp_path)], "--start"),
    ):
        monkeypatch.setattr("sys.argv", ["reenact.train", *arguments])
        assert main() == 2
        assert says in capsys.readouterr().err
