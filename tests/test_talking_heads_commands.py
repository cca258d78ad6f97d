"""python -m reenact.talking_heads: what its commands write, and what they say to bad input."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")
av = pytest.importorskip("av")

from reenact.talking_heads import sheets
from reenact.talking_heads.__main__ import main
from reenact.talking_heads.expressions import UNITS

needs_data = pytest.mark.skipif(
    "REENACT_MAKEHUMAN" not in os.environ,
    reason="REENACT_MAKEHUMAN is not set: no MakeHuman data",
)


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["talking_heads", *map(str, words)])
    return main()


@needs_data
def test_sheets_have_a_tile_for_everybody(tmp_path, monkeypatch) -> None:
    for kind, shape in (
        ([], (2 * 48 + 2, 2 * 48 + 2)),
        (["--pairs"], (2 * 48 + 2, 2 * 96 + 2)),
        (["--expressions"], (3 * 48 + 4, 8 * 48 + 14)),
    ):
        out = tmp_path / f"sheet{len(kind)}.png"
        words = ["--seeds", "0:3", "--columns", "2", "--size", "48", "--out", out]
        assert run(monkeypatch, "sheet", *kind, *words) == 0
        sheet = cv2.imread(str(out))
        assert sheet.shape == (*shape, 3)
        tiles = [sheet[:48, :48], sheet[-48:, :48]]
        assert all(tile.std() > 10 for tile in tiles) and not np.array_equal(*tiles)


@needs_data
def test_clip_is_a_video_with_a_filmstrip(tmp_path, monkeypatch) -> None:
    video, strip = tmp_path / "clip.mp4", tmp_path / "strip.jpg"
    words = ["--frames", "4", "--size", "48", "--camera", "--strip", strip, "--out", video]
    assert run(monkeypatch, "clip", *words) == 0
    with av.open(str(video)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert [frame.shape for frame in frames] == [(48, 96, 3)] * 4
    picture = cv2.imread(str(strip))[..., ::-1]
    assert picture.shape == (2 * 48 + 2, 4 * 48 + 6, 3)
    clean = frames[0][:, :48].astype(int)
    assert np.abs(clean - picture[:48, :48]).mean() < 12  # the strip begins with the clip
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mp4", "strip.jpg"]


@needs_data
def test_data_set_goes_on_where_it_is(tmp_path, monkeypatch, capsys) -> None:
    words = ["--people", "2", "--frames", "2", "--size", "48", "--workers", "1"]
    for _ in range(2):
        assert run(monkeypatch, "dataset", *words, "--out", tmp_path / "set") == 0
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["complete"]
    assert run(monkeypatch, "dataset", *words, "--camera", "--out", tmp_path / "set") == 2
    assert "pictures" in capsys.readouterr().err


@needs_data
def test_bench_gives_figures(monkeypatch, capsys) -> None:
    words = ["--sizes", "32", "--workers", "1", "--people", "1", "--frames", "2", "--json"]
    assert run(monkeypatch, "bench", *words) == 0
    said = json.loads(capsys.readouterr().out)
    (row,) = said["rows"]
    assert (row["size"], row["processes"]) == (32, 1) and said["machine"]["cores"] >= 1
    assert min(row[key] for key in ("frames_per_s", "frame_cpu_ms", "make_cpu_s")) > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sheet", "--seeds", "9"], "--seeds 0:24"),
        (["sheet", "--seeds", "4:4"], "--seeds 0:24"),
        (["sheet", "--size", "8"], "at least 32 and at most 1024"),
        (["sheet", "--size", "9999"], "at least 32 and at most 1024"),
        (["sheet", "--size", "big"], "no whole number"),
        (["sheet", "--out", "no/such/folder/sheet.png"], "There is no folder"),
        (["sheet", "--out", "sheet.gif"], ".png or .jpg"),
        (["clip", "--size", "65"], "even --size"),
        (["clip", "--out", "clip.avi"], ".mp4"),
        (["clip", "--seed", "-1"], "at least 0"),
        (["dataset", "--people", "0", "--out", "set"], "at least 1"),
        (["dataset", "--wish", "missing.json", "--out", "set"], "missing.json"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], said: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error and said in error
    assert not list(tmp_path.iterdir())


def test_faces_of_the_sheet_are_made_of_units() -> None:
    assert len(sheets.FACES) == 8
    assert {name for face in sheets.FACES for name in face.units} <= set(UNITS)


def test_caption_covers_a_corner_only() -> None:
    picture = np.full((100, 100, 3), 128, np.uint8)
    written = sheets.caption(picture, "12")
    y, x = np.nonzero((written != picture).any(-1))
    assert len(x) > 20 and y.min() > 80 and x.max() < 40
