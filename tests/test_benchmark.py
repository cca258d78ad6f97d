"""The benchmark's arithmetic, its table and its last line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_fakes import DIMS, a_model, avatar_file, write_video

import realtime.options
from engines import limits
from realtime import benchmark, cameras
from realtime.app import run
from reenact.face import Box, FaceFinder
from reenact.spaces import Dims


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake model, a film as the demo, and limits that are known."""
    film = write_video(tmp_path / "film.mp4", [np.full((64, 96, 3), 90, np.uint8)] * 9)
    avatars = {"testa": avatar_file(tmp_path)}
    monkeypatch.setattr(cameras, "DEMO", film)
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: avatars)
    monkeypatch.setattr(FaceFinder, "find_near", lambda self, *_: Box(48, 32, 30))
    load = lambda backend, threads: a_model()  # noqa: E731
    monkeypatch.setattr(benchmark, "load_model", load)
    monkeypatch.setattr(benchmark, "run", lambda options, line: run(options, line, load))
    monkeypatch.setattr(benchmark, "matmul_gflops", lambda: 200.0)
    monkeypatch.setattr(benchmark, "convolution_gflops", lambda threads: 1000.0)


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_table_for_people_and_one_json_line_last(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", "--seconds", "0.2", *words])
    assert benchmark.main() == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    assert (len(lines) == 1) == (words == ["--json"])
    assert {"fps", "latency_ms", "stages_ms", "drops", "frames", "backend"} <= set(report)
    assert {"networks_ms", "not_network_share", "limit_gflops"} <= set(report)
    assert set(report["stages_ms"]) == set(benchmark.STAGES), "every stage has a name for people"
    if not words:
        text = "\n".join(lines)
        assert "median" in text and "first picture after" in text


@pytest.mark.usefixtures("stage")
def test_a_run_that_is_ended_at_once_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "run", lambda options, line: {"frames": 0})
    monkeypatch.setattr("sys.argv", ["benchmark"])
    assert benchmark.main() == 2
    assert capsys.readouterr().err.startswith("error: there was no picture to measure")


def test_what_is_not_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "matmul_gflops", lambda: 200.0)
    monkeypatch.setattr(benchmark, "convolution_gflops", lambda threads: None)
    stages = {"frame": {"median": 20.0}, "encode": {"median": 6.0}, "render": {"median": 11.0}}
    report: dict[str, Any] = {"stages_ms": stages}
    out = benchmark.comparison(report, {"encode": 5.0, "render": 10.0}, DIMS)
    assert out["not_network_share"] == pytest.approx(0.15)
    assert out["fps_possible"] == 50
    assert out["networks_ms"] == {"encode": 5.0, "render": 10.0, "both": 15.0}
    assert out["limit_gflops"] == {"matmul_fp32": 200.0, "convolution": None}


@pytest.mark.parametrize(
    ("dims", "gmacs"), [(Dims(), 0.75), (Dims(channel_base=8192, channel_max=256), 2.96)]
)
def test_the_work_of_a_renderer(dims: Dims, gmacs: float) -> None:
    by_hand = 9 * dims.channels(4) ** 2 * 16 + 3 * dims.channels(4) * 16
    side = 8
    while side <= dims.resolution:
        below, here = dims.channels(side // 2), dims.channels(side)
        by_hand += 9 * below * here * (side // 2) ** 2 + 9 * here**2 * side**2 + 3 * here * side**2
        side *= 2
    assert benchmark.render_gmacs(dims) == pytest.approx(by_hand / 1e9)
    assert benchmark.render_gmacs(dims) == pytest.approx(gmacs, rel=0.3)


def test_alone_is_a_median() -> None:
    model = a_model()
    assert 0 <= benchmark.alone_ms(model.render, runs=5) < 1000
    assert model.render.calls == 8  # type: ignore[attr-defined]


def test_bad_input_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", "--input", "/nowhere.mp4"])
    assert benchmark.main() == 2
    assert capsys.readouterr().err.startswith("error: there is no file")


def test_limits_are_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_SECONDS", 0.0)
    found = limits.convolution_gflops(threads=1)
    assert 0.1 < limits.matmul_gflops() < 1e6
    assert found is None or 0.1 < found < 1e6


def test_without_openvino_there_is_no_limit_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "find_spec", lambda library: None)
    assert limits.convolution_gflops() is None
