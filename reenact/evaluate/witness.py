"""The witness of synthetic faces: who is it, what is he or she like, and what does the face do?

One small network with three heads, trained on rendered people that no test person is among, and on
nothing that the measured model has drawn. It takes the place of ArcFace and of an action unit
tracker, which were trained on photographs of real people.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reenact.checkpoint import rounded
from reenact.encoders import EncoderDims, Pyramid
from reenact.errors import UserError
from reenact.evaluate.traits import TRAITS
from reenact.talking_heads.motion import FACTORS

SIZE = 96  # px; pictures are shrunk to it
IDENTITY = 128  # numbers of an identity embedding
BATCH = 64

Floats = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]

_DIMS = EncoderDims(crop=SIZE, width=16, pyramid=64)
_KEY = "reenact witness"


class Witness(nn.Module):
    """Pictures [N,3,96,96] in -1..1 -> identity [N,128] of length 1, traits [N,K], motion [N,F].

    Traits and motion are standardised; `mean` and `scale` [K + F] tell how.
    """

    def __init__(self) -> None:
        super().__init__()
        side, numbers = SIZE // 32, len(TRAITS) + len(FACTORS)
        self.pyramid = Pyramid(_DIMS)
        self.identity = nn.Linear(_DIMS.pyramid * side**2, IDENTITY)
        self.reading = nn.Sequential(
            nn.Conv2d(_DIMS.pyramid, 64, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * (SIZE // 16) ** 2, 256),
            nn.ReLU(),
            nn.Linear(256, numbers),
        )
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Identities [N,128], and the standardised traits and motions [N, K + F]."""
        coarse, _, fine = self.pyramid(picture)
        return F.normalize(self.identity(coarse.flatten(1)).float()), self.reading(fine).float()


@dataclass(frozen=True)
class Seen:
    """What the witness sees in pictures [...].

    Attributes:
        identity: f32 [...,128], of length 1.
        traits: f32 [...,K], see TRAITS, in standard deviations over people.
        motion: f32 [...,F], see FACTORS, in their own units.
    """

    identity: Floats
    traits: Floats
    motion: Floats


def shrink(pictures: Pictures) -> Pictures:
    """u8 [N,s,s,3] -> u8 [N,96,96,3], areas averaged."""
    size = (SIZE, SIZE)
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.asarray(np.stack(small), np.uint8)


@torch.inference_mode()
def look(witness: Witness, pictures: Pictures) -> Seen:
    """Show pictures u8 [...,s,s,3] to the witness."""
    leading, flat = pictures.shape[:-3], pictures.reshape(-1, *pictures.shape[-3:])
    identities, readings = [], []
    for batch in np.array_split(flat, -(-len(flat) // BATCH)):
        tensor = torch.from_numpy(shrink(batch)).permute(0, 3, 1, 2).float() / 127.5 - 1
        identity, reading = witness(tensor)
        identities.append(identity)
        readings.append(reading)
    reading, kinds = torch.cat(readings), len(TRAITS)
    motion = reading[:, kinds:] * witness.scale[kinds:] + witness.mean[kinds:]
    seen = (torch.cat(identities), reading[:, :kinds], motion)
    return Seen(*(part.numpy().reshape(*leading, -1) for part in seen))


def distance(a: Floats, b: Floats) -> Floats:
    """Identity distance L_ID = 1 - cosine (paper, table 2) of embeddings [...,128]."""
    return np.asarray(1 - (a * b).sum(-1), np.float32)


def save_witness(witness: Witness, path: Path, info: dict[str, object]) -> None:
    """Write the weights, rounded to fp16; UserError where that fails."""
    tensors = {name: rounded(tensor) for name, tensor in witness.state_dict().items()}
    header = {"traits": TRAITS, "factors": FACTORS, "info": info}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata={_KEY: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {path} ({error}); choose another place with --to") from error


def load_witness(path: Path) -> tuple[Witness, dict[str, object]]:
    """A witness and what is known of it; UserError for a file that is none, or of other factors."""
    command = f"`python -m reenact.evaluate witness --people DIR --to {path}`"
    if not path.is_file():
        raise UserError(
            f"there is no witness {path}; train one in about ten minutes with {command}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        witness = Witness()
        witness.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"{path} is no witness ({reason}); train one with {command}") from error
    if (tuple(header["traits"]), tuple(header["factors"])) != (TRAITS, FACTORS):
        raise UserError(f"{path} knows other traits or factors; train it again with {command}")
    return witness.eval(), dict(header["info"])
