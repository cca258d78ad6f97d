"""The benchmark of the engines: what it counts, what it compares with, what it says."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

from engines import limits
from export import benchmark, benchmark_tasks, cards
from export.benchmark_tables import card_table, engine_table, tables
from export.layer_times import KINDS, layer_times
from export.port import Port
from export.random_weights import config_f, random_puppeteer
from export.rounds import LEAST_ROUNDS, interleaved
from export.work import Step, gmacs, graph_gmacs, render_steps
from reenact import spaces
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.graphs import Render
from reenact.spaces import Dims

NOISY = Dims(64, channel_base=1024, channel_max=32, w_dim=16, z_dim=16, noise=True)
ENCODER = EncoderDims(64, width=8, pyramid=16, submodule=16, embedding=16, motion=8, hidden=32)


@pytest.mark.parametrize(
    ("dims", "counted"),
    [  # counted by hand for form b, before this code was there
        (config_f(1024), 75.3),
        (config_f(512), 60.2),
        (config_f(256), 45.4),
        (Dims(256, 16384, 512), 15.0),
        (Dims(256, 8192, 256), 3.79),
        (Dims(256, 4096, 128), 0.97),
    ],
)
def test_the_work_of_a_renderer(dims: Dims, counted: float) -> None:
    assert gmacs(render_steps(dims)) == pytest.approx(counted, rel=2.5e-3)


def test_a_graph_is_counted_as_its_layers_are(model_folder: Path) -> None:
    dims = benchmark_tasks.dims_of(model_folder)
    layers = spaces.layers(dims)
    demodulation = sum(x.in_channels * x.out_channels for x in layers if x.kind == "conv") / 1e9
    counted = graph_gmacs(model_folder / "render.onnx")
    steps = render_steps(dims)
    assert counted == pytest.approx(gmacs(steps) + demodulation, rel=1e-9)
    wide = [step for step in steps if not step.name.endswith((".fir", ".torgb"))]
    counted = graph_gmacs(model_folder / "render.onnx", only_wide=True)
    assert counted == pytest.approx(gmacs(wide), rel=1e-9)


def test_every_kind_of_product_is_counted(tmp_path: Path) -> None:
    shapes = {
        "wide": (8, 3, 3, 3),
        "single": (8, 1, 3, 3),
        "turned": (8, 4, 2, 2),
        "flat": (100, 7),
    }
    shapes |= {"square": (7, 7)}
    weights = [onnx.numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in shapes.items()]
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "wide"], ["a"]),  # 3 x 12 x 12 -> 8 x 10 x 10
        node("Conv", ["a", "single"], ["b"], group=8, strides=[2, 2], pads=[1, 1, 1, 1]),  # 5 x 5
        node(
            "ConvTranspose", ["b", "turned"], ["c"], strides=[1, 1], pads=[1, 1, 0, 0]
        ),  # 4 x 5 x 5
        node("Flatten", ["c"], ["d"]),
        node("Gemm", ["d", "flat"], ["e"]),
        node("MatMul", ["e", "square"], ["y"]),
    ]
    value = onnx.helper.make_tensor_value_info
    entry, result = value("x", 1, [1, 3, 12, 12]), value("y", 1, [1, 7])
    graph = onnx.helper.make_graph(nodes, "products", [entry], [result], weights)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "products.onnx")
    by_hand = 8 * 100 * 27 + 8 * 25 * 9 + 8 * 25 * 4 * 4 + 100 * 7 + 7 * 7
    assert graph_gmacs(tmp_path / "products.onnx") == pytest.approx(by_hand / 1e9)


def test_bytes_of_a_layer_by_hand() -> None:
    first, rgb, up, fir = render_steps(Dims(8, channel_base=32, channel_max=4))[:4]
    assert first.bytes == 2 * (4 * 16 + 9 * 4 * 4 + 4 * 16)
    assert rgb.bytes == 2 * 4 * 16 + 4 * 3 * 16
    assert up.bytes == 2 * (4 * 16 + 9 * 4 * 4 + 4 * 81)
    assert fir.bytes == 2 * (4 * 81 + 4 * 64)
    assert (up.macs, fir.macs) == (9 * 4 * 4 * 16, 16 * 4 * 64)


def test_the_ordinary_port_draws_the_same_picture() -> None:
    puppeteer = random_puppeteer(NOISY, ENCODER)
    synthesis = puppeteer.generator.synthesis
    port = Port(synthesis).eval()
    styles = torch.randn(2, spaces.style_count(NOISY), generator=torch.manual_seed(1)) * 0.5 + 1
    with torch.inference_mode():
        difference = (port.picture(styles) - puppeteer.render(styles)).abs()
        assert difference.max() < 1e-3
        levels = port(styles).int() - Render(synthesis)(styles).int()
    assert levels.abs().max() <= 1
    assert puppeteer.render(styles).std() > 0.1, "a grey picture would be easy to equal"


def test_everything_runs_in_every_round() -> None:
    order: list[str] = []
    runs = {name: (lambda name=name: order.append(name)) for name in "ab"}
    times = interleaved(runs, rounds=5, seconds=60)
    assert order == list("aabb") * 5
    assert {len(times["a"].wall), len(times["b"].cpu)} == {5}


def test_time_that_is_up_ends_it_after_three_rounds() -> None:
    times = interleaved({"a": lambda: None}, rounds=1000, seconds=0)
    assert len(times["a"].wall) == LEAST_ROUNDS


def test_every_kernel_of_the_renderer_has_a_kind(model_folder: Path) -> None:
    kernels = layer_times(model_folder, runs=2, threads=1)
    found = {(entry["kind"], entry["side"]) for entry in kernels}
    assert {kind for kind, _ in found} <= set(KINDS)
    assert {("convolution", 4), ("convolution", 32), ("colours", 32), ("vectors", 1)} <= found
    assert {side for _, side in found} <= {1, 4, 8, 16, 32}
    assert all(entry["ms"] >= 0 and entry["kernels"] > 0 for entry in kernels)


@pytest.fixture(scope="module")
def report(model_folder: Path) -> dict[str, Any]:
    options = Namespace(folders=[model_folder], backend=None, threads=1, rounds=3, seconds=0.0)
    return benchmark.benchmark(options)


def test_each_engine_beside_the_limit(report: dict[str, Any]) -> None:
    measured = {(row["graph"], row["backend"]) for row in report["rows"]}
    graphs, engines = benchmark_tasks.LIVE_GRAPHS, ("openvino", "onnxruntime", "torch")
    assert {(graph, engine) for graph in graphs for engine in engines} <= measured
    assert ("render", benchmark_tasks.PORT) in measured
    for row in report["rows"]:
        assert row["best_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["gflops"] == pytest.approx(
            2000 * row["gmac"] / row["median_ms"], rel=0.03, abs=0.06
        )
        assert row["share"] == pytest.approx(row["gflops"] / row["limit_gflops"], abs=0.005)
    assert {row["device"] for row in report["rows"]} == {row["device"] for row in report["limits"]}
    against = {entry["backend"] for entry in report["against_port"]}
    assert against == {"openvino", "onnxruntime", "torch"}
    json.dumps(report)


def test_tables_have_a_line_for_everything(report: dict[str, Any]) -> None:
    text = tables(report)
    lines = text.splitlines()
    name = f"| {report['rows'][0]['model']}, 32 |"
    render = [line for line in lines if line.startswith(f"{name} render |")]
    assert len(render) == 4
    widths = {line.count("|") for line in lines if line.startswith(("| model, px", name))}
    assert len(widths) == 1, "every line has as many cells as the head"
    assert sum("times as fast as the ordinary port" in line for line in lines) == 3
    assert "CALCULATED from data sheets, never measured" in text
    assert all(f"| {card.name} |" in text for card in cards.CARDS)
    assert "| 32 px |" in text and "% |" in text and report["date"] in lines[0]


def test_what_cannot_run_is_said_with_its_reason(model_folder: Path) -> None:
    options = Namespace(folders=[model_folder], backend=["typo"], threads=1, rounds=3, seconds=0.0)
    with pytest.raises(UserError, match="no engine ran: .*no backend 'typo'"):
        benchmark.benchmark(options)


def test_without_a_checkpoint_there_is_no_port(model_folder: Path, tmp_path: Path) -> None:
    for graph in benchmark_tasks.LIVE_GRAPHS:
        (tmp_path / f"{graph}.onnx").symlink_to(model_folder / f"{graph}.onnx")
    assert benchmark_tasks.port_task(tmp_path, 1) is None


def test_the_starter_is_measured_as_it_ships() -> None:
    assert benchmark_tasks.model_folder(256, "fp32") == benchmark_tasks.STARTER.parent


def test_a_model_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_tasks, "BUILT", tmp_path / "built")
    monkeypatch.setattr(benchmark_tasks, "config_f", lambda size: NOISY)
    monkeypatch.setattr(benchmark_tasks, "EncoderDims", lambda: ENCODER)
    folder = benchmark_tasks.model_folder(512, "fp16")
    assert benchmark_tasks.dims_of(folder) == NOISY
    assert {file.name for file in folder.iterdir()} == {
        "encode_deformation.onnx",
        "render.onnx",
        "starter.safetensors",
    }
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
    monkeypatch.setattr(benchmark_tasks, "to_onnx", lambda *_: pytest.fail("made again"))
    assert benchmark_tasks.model_folder(512, "fp16") == folder


def test_limits_are_run_in_the_precision_asked_for() -> None:
    for precision in ("fp32", "bf16") if limits.convolution_gflops(1) else ():
        run, flops = limits.wide_convolution(precision, threads=1)
        run()
        assert flops == 2 * 9 * 256 * 256 * 64 * 64
    run, flops = benchmark_tasks.matrix_product("bf16", "cpu", side=64)
    run()
    assert flops == 2 * 64**3


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU would show its limit")
@pytest.mark.parametrize("device", ["RTX 9 fp16 without CUDA graph", "CPU fp16", "NPU"])
def test_what_has_no_limit_here_is_shown_without(device: str) -> None:
    task = benchmark_tasks.Task("m", 64, "render", "an engine", device, 1.0, lambda: None)
    assert list(benchmark_tasks.limit_tasks([task], threads=1)) == []
    times = interleaved({"m": lambda: sum(range(50_000))}, rounds=1, seconds=0)
    report = {"rows": [benchmark.row(task, times["m"])], "limits": []}
    benchmark.add_shares(report)
    assert engine_table(report["rows"]).splitlines()[-1].endswith(" | - | - | 1 |")


def test_cards_take_the_longer_of_arithmetic_and_traffic() -> None:
    heavy = cards.step_s(10, 100, Step("heavy", 10**9, 1)) - cards.KERNEL_S
    wide = cards.step_s(10, 100, Step("wide", 1, 10**8)) - cards.KERNEL_S
    assert heavy == pytest.approx(2e9 / (cards.COMPUTE_SHARE * 10e12))
    assert wide == pytest.approx(1e8 / (cards.MEMORY_SHARE * 100e9))
    both = cards.step_s(10, 100, Step("both", 10**9, 10**8)) - cards.KERNEL_S
    assert both == pytest.approx(max(heavy, wide))


def test_peaks_of_cards_are_those_of_their_whitepapers() -> None:
    peaks = {card.name: (card.tensor, card.exact) for card in cards.CARDS}
    assert peaks["RTX 3090"] == pytest.approx((142.3, 71.2), abs=0.2)
    assert peaks["RTX 4090"] == pytest.approx((330.3, 165.2), abs=0.2)
    assert peaks["RTX 5090"] == pytest.approx((419, 209.5), abs=0.3)


def test_the_document_has_the_calculated_table_as_it_is() -> None:
    text = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    lines = card_table(benchmark.calculated()).splitlines()[2:]
    assert len(lines) == 2 + len(cards.CARDS)
    assert "\n".join(lines) in text, "print it again: python -m export.benchmark --calculated"


def test_the_command_prints_tables_and_writes_json(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--rounds", "1", "--seconds", "0", "--threads", "1", "--backend", "onnxruntime"]
    file = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", ["x", str(model_folder), *words, "--json", str(file)])
    assert benchmark.main() == 0
    assert "| model, px | graph | engine |" in capsys.readouterr().out
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert [row["rounds"] for row in rows] == [1, 1, 1]
    assert np.isfinite([row["median_ms"] for row in rows]).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rounds", "0"], "error: --rounds must be 1 or more"),
        (["/nowhere"], "error: there is no /nowhere/encode_deformation.onnx"),
        (["--size", "100"], "error: argument --size: invalid choice"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", *words])
    assert benchmark.main() == 2
    assert capsys.readouterr().err.startswith(sentence)
