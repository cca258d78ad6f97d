"""The haircuts by name, who wears them, and how one wearer's differs from another's."""

from dataclasses import dataclass, replace

import numpy as np

from reenact.talking_heads.locks import Haircut, Hairline

Rng = np.random.Generator

_LONG = Haircut(
    top=3.2,
    side=2.6,
    parted=0.9,
    lift=0.08,
    stiff=0.1,
    volume=0.13,
    ears=True,
    width=0.2,
    rough=0.03,
    locks=340,
)
_BOB = replace(_LONG, top=2.0, side=1.4, ends=-1.0, volume=0.18)
_SHORT = Haircut(top=0.5, side=0.2, lift=0.25, stiff=0.6, volume=0.07, locks=820, width=0.11)
_COILED = replace(_SHORT, lift=0.6, coil=1.0, width=0.11)

CUTS: dict[str, Haircut] = {
    # short
    "crop": replace(_SHORT, top=0.38, side=0.14, forward=0.4, lift=0.3),
    "caesar": replace(_SHORT, top=0.36, side=0.2, fringe=0.30, forward=1.0, lift=0.06, volume=0.05),
    "side parting": replace(
        _SHORT, top=0.58, side=0.20, part=0.32, parted=0.8, lift=0.16, back=0.3
    ),
    "swept back": replace(_SHORT, top=0.9, side=0.35, back=1.6, lift=0.16, stiff=0.7, volume=0.09),
    "quiff": replace(
        _SHORT, top=0.6, side=0.14, back=0.7, lift=0.55, stiff=0.8, sweep=0.25, volume=0.12
    ),
    "undercut": replace(
        _SHORT, top=0.85, side=0.06, back=1.2, lift=0.25, stiff=0.7, sweep=0.4, volume=0.10
    ),
    "spiky": replace(_SHORT, top=0.34, side=0.16, lift=1.1, stiff=1.0, rough=0.2, width=0.09),
    "messy": replace(
        _SHORT, top=0.5, side=0.3, lift=0.4, rough=0.25, fringe=0.42, sweep=0.5, curl=0.03
    ),
    "curly top": replace(_COILED, top=0.6, side=0.14, curl=0.05, curls=3.5, volume=0.16),
    "curls": replace(_COILED, top=0.7, side=0.45, curl=0.06, curls=3.0, volume=0.20),
    "afro": replace(
        _COILED,
        top=0.5,
        side=0.45,
        curl=0.07,
        curls=5.0,
        lift=1.6,
        stiff=1.0,
        volume=0.3,
        width=0.17,
        locks=600,
    ),
    "short afro": replace(
        _COILED, top=0.28, side=0.16, curl=0.04, curls=6.0, lift=1.5, stiff=1.0, volume=0.12
    ),
    "pixie": replace(
        _SHORT, top=0.7, side=0.35, fringe=0.55, sweep=0.9, part=0.3, lift=0.2, volume=0.1
    ),
    "mop": replace(
        _SHORT, top=0.8, side=0.5, fringe=0.58, forward=0.3, lift=0.1, stiff=0.25, volume=0.12
    ),
    "shag": replace(
        _SHORT, top=1.0, side=1.0, fringe=0.55, parted=0.4, lift=0.2, stiff=0.25, curl=0.04
    ),
    # to the chin
    "bob": _BOB,
    "fringe bob": replace(_BOB, ends=-0.95, fringe=0.55, parted=0.3),
    "side bob": replace(_BOB, ends=-1.05, part=0.34, sweep=-0.2),
    "wavy bob": replace(_BOB, ends=-0.95, curl=0.05, curls=2.0, coil=0.3, volume=0.2),
    "curly bob": replace(_BOB, curl=0.08, curls=2.2, coil=1.0, volume=0.26, width=0.15, locks=440),
    "curtains": replace(_LONG, top=1.1, side=0.8, ends=-0.5, volume=0.11),
    # to the shoulders and beyond
    "shoulder": replace(_LONG, ends=-1.5, part=0.2, volume=0.15),
    "shoulder fringe": replace(_LONG, ends=-1.5, fringe=0.55, parted=0.3),
    "shoulder swept": replace(_LONG, ends=-1.4, part=0.3, back=0.3, stiff=0.25),
    "long": _LONG,
    "long side": replace(_LONG, part=0.35, sweep=-0.2),
    "long fringe": replace(_LONG, fringe=0.55, parted=0.4),
    "long waves": replace(_LONG, curl=0.07, curls=1.1, coil=0.3, volume=0.18),
    "long curls": replace(
        _LONG, curl=0.10, curls=1.7, coil=1.0, volume=0.26, width=0.15, locks=420
    ),
    "dreadlocks": replace(
        _LONG, curl=0.02, curls=5.0, coil=1.0, volume=0.22, width=0.09, rough=0.06, locks=460
    ),
    "behind the ears": replace(_LONG, back=0.7, ears=False, volume=0.08, stiff=0.45),
    # tied
    "tied back": replace(
        _LONG, tied=True, volume=0.03, stiff=1.0, lift=0.02, ears=False, locks=480
    ),
    "tied loosely": replace(
        _LONG, tied=True, volume=0.09, stiff=1.0, lift=0.12, ears=False, locks=480, rough=0.07
    ),
    "tied with fringe": replace(
        _LONG, tied=True, volume=0.04, stiff=1.0, lift=0.04, ears=False, locks=480, fringe=0.55
    ),
}

_WOMEN = {
    **{"pixie": 0.7, "curls": 0.3, "shag": 0.5, "bob": 1.0, "fringe bob": 0.8, "side bob": 1.0},
    **{"wavy bob": 1.0, "curly bob": 0.6, "shoulder": 1.2, "shoulder fringe": 0.7, "long": 1.2},
    **{"shoulder swept": 0.9, "long side": 1.2, "long fringe": 0.8, "long waves": 1.4},
    **{"long curls": 0.9, "behind the ears": 1.0, "tied back": 1.0, "tied loosely": 0.9},
    **{"tied with fringe": 0.6, "curtains": 0.3},
}
_MEN = {
    **{"buzz": 0.9, "crop": 1.2, "caesar": 0.7, "side parting": 1.2, "swept back": 0.9},
    **{"quiff": 0.9, "undercut": 0.7, "spiky": 0.6, "messy": 0.9, "curly top": 0.6, "curls": 0.5},
    **{"mop": 0.4, "curtains": 0.3, "shag": 0.25, "shoulder": 0.12, "behind the ears": 0.2},
    **{"tied back": 0.2, "none": 0.5},
}
_AFRICAN_WOMEN = {"afro": 1.5, "dreadlocks": 2.0, "long curls": 2.0, "curly bob": 2.0}
_AFRICAN_WOMEN |= {"short afro": 0.6, "tied back": 2.0, "long": 0.7, "bob": 0.7, "shoulder": 0.7}
_AFRICAN_MEN = {"buzz": 2.5, "short afro": 3.0, "afro": 0.8, "dreadlocks": 0.8, "none": 1.2}
_AFRICAN_MEN |= {"curly top": 1.2, "crop": 0.5}


SHAVEN = ("none", "buzz")
"""Only painted on the skin: clean, or the shade of clipped hair."""
BALDING = ("none", "none", "buzz", "crop")
"""What men wear who have lost the hair on top."""


@dataclass(frozen=True)
class Dye:
    """How the colour changes from strand to strand and along it."""

    roots: float = 0.0  # 0 .. 1 darker roots
    tips: float = 0.0  # 0 .. 1 lighter tips
    highlights: float = 0.0  # share of lighter strands
    grey: float = 0.0  # share of grey strands


def draw_hair(rng: Rng, male: bool, african: float) -> str:
    """The name of a haircut, or "none"."""
    usual = (_AFRICAN_MEN if male else _AFRICAN_WOMEN) if african > 0.5 else {}
    chances = usual or (_MEN if male else _WOMEN)
    weights = np.array(list(chances.values()))
    return str(rng.choice(list(chances), p=weights / weights.sum()))


def draw_hairline(rng: Rng, male: bool, age: float) -> Hairline:
    """Where hair grows: high and receding on many older men, gone on some."""
    ageing = max(0.0, age - 0.15) * (1.6 if male else 0.3)
    bald = rng.random() < 0.8 * max(0.0, age - 0.3) * male
    height, recede, peak, wide = rng.normal(0, 0.035), rng.random(), rng.random(), rng.random()
    return Hairline(
        height=float(np.clip(height - 0.03 * (not male) + 0.06 * ageing, -0.09, 0.16)),
        recede=float(0.22 * recede * ageing + 0.05 * male * recede),
        peak=float(0.08 * max(0.0, peak - 0.6)),
        bald=float(0.7 + 0.3 * wide) if bald else 0.0,
        sideburn=float(rng.uniform(-0.05, 0.2) if male else -0.05),
    )


def vary(rng: Rng, cut: Haircut, african: float) -> Haircut:
    """One wearer's version of a cut."""
    side, longer, thicker = rng.choice([-1.0, 1.0]), rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.25)
    shift, lower, lifted = rng.normal(0, 0.04), rng.normal(0, 0.10), rng.uniform(0.8, 1.3)
    wavy, how = rng.random(), rng.random()
    long = cut.ends > -5 or cut.top > 1.5
    curl, coil = cut.curl, cut.coil
    if african > 0.5 and not cut.curl and how < 0.6:
        curl, coil = 0.035, 1.0
    elif not cut.curl and wavy < 0.3:
        curl, coil = 0.015 + 0.1 * (0.3 - wavy), 0.2
    return replace(
        cut,
        top=cut.top * longer,
        side=cut.side * longer,
        fringe=cut.fringe * (0.9 + 0.1 * longer),
        part=side * cut.part + shift,
        sweep=side * cut.sweep,
        lift=cut.lift * lifted,
        volume=cut.volume * thicker,
        ends=cut.ends + lower,
        curl=curl,
        coil=coil,
        curls=cut.curls * (1.0 if long else 1.5) if not cut.curl else cut.curls * longer,
    )


def draw_dye(rng: Rng, male: bool, age: float, natural: bool) -> Dye:
    """Roots, tips, highlights of those who dye; grey strands of those who do not."""
    dyed, grey = rng.random() < (0.05 if male else 0.35), rng.normal(1.6 * age - 0.55, 0.15)
    strengths = rng.random(3)
    return Dye(
        roots=float(0.8 * strengths[0]) if dyed else float(0.15 * strengths[0]),
        tips=float(0.8 * strengths[1] ** 2) if dyed else float(0.2 * strengths[1]),
        highlights=float(0.6 * strengths[2]) if dyed else float(0.15 * strengths[2]),
        grey=float(np.clip(grey, 0, 0.9)) if natural and not dyed else 0.0,
    )


def wearing_hat(line: Hairline) -> Hairline:
    """The hairline of what shows below a hat."""
    return replace(line, height=9.0)
