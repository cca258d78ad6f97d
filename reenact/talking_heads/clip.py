"""A clip of a moving person: the pictures, and all that the networks learn from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import Motion, factors
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.raster import Bytes, Floats
from reenact.talking_heads.studio import Studio
from reenact.talking_heads.surfaces import LABELS

__all__ = ["LABELS", "SCENE_WISHES", "Clip", "render_clip"]

SCENE_WISHES = ("light", "background")
"""Keys of a wish that are about the scene; the others are about the person."""


@dataclass(frozen=True)
class Clip:
    """A moving person.

    frames u8[T,s,s,3], alpha and labels u8[T,s,s], factors f32[T,F]; landmarks f32[T,L,2] in
    pixels, see LANDMARKS.
    """

    frames: Bytes
    alpha: Bytes
    labels: Bytes
    factors: Floats
    landmarks: Floats


def render_clip(
    data: HeadData,
    person_seed: int,
    motion: Motion,
    size: int,
    scene_seed: int,
    wish: Mapping[str, Any] | None = None,
) -> Clip:
    """Render one person moving; equal arguments give equal bytes.

    wish: see sample_person and SCENE_WISHES. Raises UserError for a wish that there is not.
    """
    wish = dict(wish or {})
    about_scene = {key: wish.pop(key) for key in SCENE_WISHES if key in wish}
    studio = Studio(
        data, sample_person(data, person_seed, wish), scene_seed, size, wish=about_scene
    )
    count = len(motion.units)
    frames = np.empty((count, size, size, 3), np.uint8)
    alpha, labels = np.empty((2, count, size, size), np.uint8)
    landmarks = np.empty((count, len(LANDMARKS), 2), np.float32)
    for t in range(count):
        posed = studio.rig.pose(motion.units[t], motion.head[t], motion.gaze[t])
        frame = studio.render(posed)
        frames[t], alpha[t], labels[t] = frame.rgb, frame.alpha, frame.labels
        landmarks[t] = studio.landmarks(posed)
    return Clip(frames, alpha, labels, factors(motion), landmarks)
