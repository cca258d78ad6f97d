"""People that are rendered while somebody trains on them, in a buffer where the training runs.

Other processes render (see talking_heads.stream); what they have finished is copied in before each draw, a whole clip
of two people at a time, in the place of the oldest. Drawing is indexing: no picture travels twice.
"""

import numpy as np
import torch
from torch import Tensor

from reenact.talking_heads.dataset import Form
from reenact.talking_heads.motion import FACTORS
from reenact.talking_heads.stream import Stream
from reenact.train.run import DEVICE


class Replay:
    """Up to P pairs of clips of m frames: two people who do the same."""

    def __init__(self, stream: Stream, form: Form, pairs: int) -> None:
        """stream: of one pair that is used once, in this form. The buffer takes 6 P m S^2 bytes."""
        self.stream, self.clip, self.filmed = stream, form.frames, form.camera
        size = (pairs, 2, form.frames)
        shape = (*size, form.size, form.size, 3)
        self.pictures = torch.empty(shape, dtype=torch.uint8, device=DEVICE)
        self.factors = torch.empty((*size, len(FACTORS)), device=DEVICE)
        self.rendered = 0  # pairs, so far

    def __len__(self) -> int:
        """How many pairs there are to draw from."""
        return min(self.rendered, len(self.pictures))

    def draw(self, pairs: int) -> tuple[Tensor, Tensor]:
        """A random moment of each of some pairs: what is seen u8 [2 pairs,S,S,3], factors f32 [2 pairs,F].

        Takes in what is rendered by now; waits only while there are fewer than `pairs` to draw from.
        """
        pairs = min(pairs, len(self.pictures))
        while len(self) < pairs or self.stream.ready():
            self._take()
        which = torch.randperm(len(self), device=DEVICE)[:pairs]
        moment = torch.randint(self.clip, (pairs,), device=DEVICE)
        return self.pictures[which, :, moment].flatten(0, 1), self.factors[
            which, :, moment
        ].flatten(0, 1)

    def _take(self) -> None:
        """The next pair, in the place of the oldest."""
        clips = self.stream.draw(1, self.clip)
        pictures = clips.frames if clips.camera is None else clips.camera
        place = self.rendered % len(self.pictures)
        self.pictures[place] = torch.from_numpy(np.ascontiguousarray(pictures[0])).to(DEVICE)
        self.factors[place] = torch.from_numpy(clips.factors[0]).to(DEVICE)
        self.rendered += 1
