"""What a model reads from the test people, once, for all measures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reenact.evaluate.material import Material
from reenact.evaluate.model import Model

Floats = npt.NDArray[np.float32]

SOURCES = (0, 2, 5, 8, 11)  # moments of a clip that serve as the portrait, in turn
DRIVEN = (3, 9)  # moments that are rendered and compared


@dataclass(frozen=True)
class Readings:
    """Of the test people's frames; portraits are the clean pictures, drivers what a webcam made of them.

    Attributes:
        identity: f32 [P,2,5,S], identity styles of the portraits SOURCES.
        deformation: f32 [P,2,T,D], S_F of every moment.
        speakers: f32 [V,T,D], S_F of the videos.
    """

    identity: Floats
    deformation: Floats
    speakers: Floats


def read(model: Model, material: Material) -> Readings:
    """Run the encoders over the test people, person by person."""
    frames, filmed = material.portraits, material.portraits.camera
    speakers = material.videos.camera
    assert filmed is not None and speakers is not None  # see material.py
    identity, deformation = [], []
    for rows in material.rows:
        portraits = frames.frames[rows[:, SOURCES].reshape(-1)]
        identity.append(model.identify(portraits).reshape(len(rows), len(SOURCES), -1))
        deformation.append(model.deform(filmed[rows.reshape(-1)]).reshape(*rows.shape, -1))
    spoken = np.stack([model.deform(speakers[rows]) for rows in material.video_rows])
    return Readings(np.stack(identity), np.stack(deformation), spoken)
