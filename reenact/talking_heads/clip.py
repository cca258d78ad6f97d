"""A clip of a moving person: the pictures, and all that the networks learn from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reenact.talking_heads.camera import film, sample_conditions
from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import Motion, factors
from reenact.talking_heads.parameters import plain
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

    frames u8[T,s,s,3] are clean, what a network should draw; camera u8[T,s,s,3] is what a webcam
    makes of them, what it should read (None where nothing was filmed). alpha, labels u8[T,s,s],
    factors f32[T,F], landmarks f32[T,L,2] in pixels (see LANDMARKS) belong to both. parameters: all
    that was drawn of "person", "scene" and "camera", as JSON would hold it.
    """

    frames: Bytes
    camera: Bytes | None
    alpha: Bytes
    labels: Bytes
    factors: Floats
    landmarks: Floats
    parameters: dict[str, Any]


def render_clip(
    data: HeadData,
    person_seed: int,
    motion: Motion,
    size: int,
    scene_seed: int,
    wish: Mapping[str, Any] | None = None,
    *,
    filmed_at: float | None = None,
) -> Clip:
    """Render one person moving; equal arguments give equal bytes.

    scene_seed chooses light, background and camera; filmed_at: frames a second of the camera (25
    over the motion's stride), None for the clean frames alone. wish: see sample_person and
    SCENE_WISHES, and "camera", see sample_conditions. Raises UserError for a wish that there is not.
    """
    wish = dict(wish or {})
    about_camera = wish.pop("camera", {})
    about_scene = {key: wish.pop(key) for key in SCENE_WISHES if key in wish}
    person = sample_person(data, person_seed, wish)
    conditions = sample_conditions(scene_seed, about_camera) if filmed_at else None
    studio = Studio(data, person, scene_seed, size, wish=about_scene)
    count = len(motion.units)
    frames = np.empty((count, size, size, 3), np.uint8)
    alpha, labels = np.empty((2, count, size, size), np.uint8)
    landmarks = np.empty((count, len(LANDMARKS), 2), np.float32)
    for t in range(count):
        posed = studio.rig.pose(motion.units[t], motion.head[t], motion.gaze[t])
        frame = studio.render(posed)
        frames[t], alpha[t], labels[t] = frame.rgb, frame.alpha, frame.labels
        landmarks[t] = studio.landmarks(posed)
    camera = (
        film(frames, alpha, landmarks, scene_seed, filmed_at, about_camera) if filmed_at else None
    )
    drawn = {"person": person, "scene": studio.scene, "camera": conditions}
    return Clip(frames, camera, alpha, labels, factors(motion), landmarks, plain(drawn))
