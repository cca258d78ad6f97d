"""Whose face it is: the avatars' identity styles, with edits, and the way from one to the next.

A style is A(w) = M w + b with weights that sum to one on the way: A((1-t) w0 + t w1) =
(1-t) A(w0) + t A(w1). So mixing identity styles is mixing W+, and needs no network. Edits are added
to the styles when something changes (`reenact.edits`), not once per frame.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime.smoothing import eased
from reenact.avatar import Avatar, check_fits
from reenact.edits import Edit, edited

Vector = npt.NDArray[np.float32]


class Identity:
    """The avatar on stage, or two of them while one becomes the other.

    Attributes:
        avatars: all that can be chosen.
        fade_s: how long a change takes, 0: none.
    """

    def __init__(
        self, avatars: Sequence[Avatar], edits: Sequence[Edit] = (), fade_s: float = 0.0
    ) -> None:
        """The first avatar, without edits.

        Raises:
            UserError: an edit was made for another generator than an avatar.
        """
        self.avatars, self._edits, self.fade_s = avatars, edits, fade_s
        for avatar in avatars:
            self._edited(avatar, [0.0] * len(edits))
        self._chosen: tuple[int, tuple[float, ...]] = (0, (0.0,) * len(edits))
        self._goal = self._edited(avatars[0], self._chosen[1])
        self._from = self._shown = self._goal
        self._begin_s = self._shown_s = -math.inf  # of the way, of what was shown last

    def check_fits(self, fingerprint: str, styles: int) -> None:
        """Raises UserError if an avatar was made for another generator."""
        for avatar in self.avatars:
            check_fits(avatar, fingerprint, styles)

    def choose(self, avatar: int, strengths: Sequence[float]) -> None:
        """Say who it is from now on; another avatar is faded to, edits take effect at once.

        Only avatars of the same weights are faded in their styles: what adjusted weights make of
        another avatar's styles is nobody's face (there the pictures are faded, `realtime.renders`).
        """
        chosen = (avatar, tuple(strengths) or (0.0,) * len(self._edits))
        if chosen == self._chosen:
            return
        if avatar != self._chosen[0]:
            adjusted = [
                self.avatars[which].delta is not None for which in (avatar, self._chosen[0])
            ]
            self._from = self._shown
            self._begin_s = -math.inf if any(adjusted) else self._shown_s
        self._chosen = chosen
        self._goal = self._edited(self.avatars[avatar], chosen[1])

    def styles(self, time_s: float) -> Vector:
        """Identity styles f32 [S] at a time; not to be changed."""
        self._shown_s = time_s
        passed_s = time_s - self._begin_s
        if passed_s >= self.fade_s:
            self._shown = self._goal
        else:
            share = np.float32(eased(passed_s / self.fade_s))
            self._shown = self._from + share * (self._goal - self._from)
        return self._shown

    def _edited(self, avatar: Avatar, strengths: Sequence[float]) -> Vector:
        pairs = zip(self._edits, strengths, strict=True)
        return edited(avatar.styles, avatar.fingerprint, pairs)
