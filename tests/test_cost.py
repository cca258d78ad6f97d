"""The calculation of what a GPU sees in half an hour."""

import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')

from reenact.train.configuration import PRESETS  # noqa: E402
from reenact.train.cost import flops, forecast, pictures  # noqa: E402


def test_flops_are_those_of_the_textbook() -> None:
    conv = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False)
    picture = torch.zeros(2, 4, 16, 16, requires_grad=True)
    forward = 2 * 2 * 8 * 4 * 9 * 16 * 16
    assert flops(lambda: conv(picture)) == forward
    assert flops(lambda: conv(picture).sum().backward()) == 3 * forward


def test_half_an_hour_of_one_data_centre_gpu_draws_a_million_pictures() -> None:
    seen = pictures(PRESETS["gpu"], 30, 0.15 * 790e12)
    assert seen["generator"] + seen["join"] > 1e6
    assert pictures(PRESETS["gpu"], 60, 0.15 * 790e12)["join"] == pytest.approx(2 * seen["join"])
    text = forecast(PRESETS["cpu"], 30, 790e12)
    assert "calculated, not measured" in text and "15%" in text
