"""The haircuts by name, and who wears them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reenact.talking_heads.locks import Haircut, Hairline

Rng = np.random.Generator

_LONG = Haircut(
    top=3.2, side=2.6, parted=0.9, lift=0.08, stiff=0.1, volume=0.13, ears=True, width=0.2, rough=0.03, locks=340
)
_SHORT = Haircut(top=0.5, side=0.2, lift=0.25, stiff=0.6, volume=0.07, locks=720)

CUTS: dict[str, Haircut] = {
    # short
    "crop": replace(_SHORT, top=0.38, side=0.14, forward=0.4, lift=0.3),
    "caesar": replace(_SHORT, top=0.36, side=0.2, fringe=0.40, forward=1.0, lift=0.06, volume=0.05),
    "side parting": replace(_SHORT, top=0.75, side=0.22, part=0.32, parted=1.0, lift=0.12, back=0.15),
    "swept back": replace(_SHORT, top=0.9, side=0.35, back=1.6, lift=0.16, stiff=0.7, volume=0.09),
    "quiff": replace(_SHORT, top=0.75, side=0.16, back=0.7, lift=0.75, stiff=0.8, sweep=0.25, volume=0.14),
    "spiky": replace(_SHORT, top=0.45, side=0.16, lift=1.3, stiff=1.0, rough=0.2, width=0.09),
    "messy": replace(_SHORT, top=0.65, side=0.35, lift=0.5, rough=0.3, fringe=0.5, sweep=0.5, curl=0.03),
    "curly top": replace(
        _SHORT, top=0.7, side=0.16, lift=0.6, curl=0.06, curls=3.5, coil=1.0, width=0.10, volume=0.2
    ),
    "curls": replace(
        _SHORT, top=0.8, side=0.6, lift=0.6, curl=0.06, curls=3.0, coil=1.0, width=0.11, volume=0.24
    ),
    "pixie": replace(_SHORT, top=0.7, side=0.35, fringe=0.6, sweep=0.9, part=0.3, lift=0.2, volume=0.1),
    "mop": replace(_SHORT, top=0.9, side=0.6, fringe=0.62, forward=0.3, lift=0.1, stiff=0.25, volume=0.13),
    # to the chin
    "bob": replace(_LONG, top=2.0, side=1.4, ends=-1.0, volume=0.20),
    "fringe bob": replace(_LONG, top=2.0, side=1.4, ends=-0.95, fringe=0.62, parted=0.3, volume=0.20),
    "side bob": replace(_LONG, top=2.0, side=1.4, ends=-1.05, part=0.34, volume=0.2, sweep=-0.2),
    "wavy bob": replace(_LONG, top=2.0, side=1.4, ends=-0.95, curl=0.05, curls=2.0, coil=0.3, volume=0.22),
    "curtains": replace(_LONG, top=1.2, side=0.9, ends=-0.5, parted=1.0, volume=0.14),
    # to the shoulders and beyond
    "shoulder": replace(_LONG, ends=-1.5, part=0.2, volume=0.16),
    "shoulder fringe": replace(_LONG, ends=-1.5, fringe=0.62, parted=0.3),
    "long": replace(_LONG),
    "long side": replace(_LONG, part=0.35, sweep=-0.2),
    "long waves": replace(_LONG, curl=0.07, curls=1.1, coil=0.3, volume=0.20),
    "long curls": replace(_LONG, curl=0.09, curls=2.2, coil=1.0, volume=0.30, width=0.15, locks=480),
    "behind the ears": replace(_LONG, back=0.7, ears=False, volume=0.08, stiff=0.45),
    # tied
    "tied back": replace(_LONG, top=2.2, side=1.6, tied=True, volume=0.03, stiff=1.0, lift=0.02, ears=False, locks=480),
}
