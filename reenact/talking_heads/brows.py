"""The forms of brows by name."""

import numpy as np

Rng = np.random.Generator

BROWS: dict[str, dict[str, float]] = {
    "soft": {},
    "high arch": {"thickness": 0.060, "arch": 0.034, "peak": 0.66, "taper": 0.8},
    "straight": {"arch": -0.004, "slant": 0.012, "taper": 0.2},
    "rounded": {"thickness": 0.062, "arch": 0.026, "peak": 0.5},
    "angled": {"thickness": 0.070, "arch": 0.030, "peak": 0.74, "corner": 1.0, "slant": 0.006},
    "bushy": {"thickness": 0.105, "arch": 0.008, "wild": 1.0, "taper": 0.0},
    "thin": {"thickness": 0.042, "arch": 0.020, "taper": 0.9},
    "broad": {"thickness": 0.092, "arch": 0.002, "taper": 0.1},
    "short": {"thickness": 0.068, "length": 0.82, "arch": 0.012},
    "drooping": {"thickness": 0.070, "arch": 0.014, "peak": 0.4, "slant": -0.03},
    "wide apart": {"thickness": 0.064, "gap": 0.03, "length": 0.92, "arch": 0.016},
    "joined": {"thickness": 0.088, "gap": -0.045, "length": 1.08, "wild": 0.6},
}
"""Thickness, arch, slant and gap in dm; peak: where along the brow; the others 0..1."""

_PLAIN = {
    **{"thickness": 0.070, "arch": 0.014, "peak": 0.58, "taper": 0.5, "slant": 0.0},
    **{"length": 1.0, "gap": 0.0, "corner": 0.0, "wild": 0.1},
}
_WOMEN = (2, 2.5, 0.8, 2, 0.7, 0, 2, 0.15, 0.6, 0.7, 0.7, 0)
_MEN = (1.2, 0.2, 2.5, 0.5, 1, 2, 0, 2.5, 1, 1.2, 0.6, 0.4)


def draw_brow(rng: Rng, male: bool) -> str:
    """The name of a form."""
    weights = np.array(_MEN if male else _WOMEN, float)
    return str(rng.choice(list(BROWS), p=weights / weights.sum()))


def brow_form(rng: Rng, name: str, male: bool) -> dict[str, float]:
    """One person's brow of a form: numbers for strands.brow_strokes, brow_thickness and so on."""
    form = {**_PLAIN, **BROWS[name]}
    form["thickness"] *= rng.uniform(0.85, 1.15) * (1.12 if male else 0.92)
    form["arch"] += rng.normal(0, 0.004)
    form["slant"] += rng.normal(0, 0.006)
    form["length"] *= rng.uniform(0.95, 1.05)
    form["wild"] += (0.25 if male else 0.0) * rng.random()
    return {f"brow_{key}": float(value) for key, value in form.items()}
