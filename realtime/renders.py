"""The render engines of a show: the model's own, and one more for each adjusted avatar.

An adjusted avatar brings other weights (`reenact.delta`). The first avatar's engine is made ready
before the show, the others beside it, one after another: until one is ready, the show goes on with
the avatar that is on stage. So a switch never waits.
"""

import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from engines import Engine
from realtime.frames import Image
from realtime.models import Model
from realtime.smoothing import eased
from reenact.avatar import Avatar
from reenact.delta import check_size
from reenact.errors import UserError


class Renders:
    """The engine of each avatar, as soon as it is ready."""

    def __init__(
        self,
        model: Model,
        avatars: Sequence[Avatar],
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Make the first avatar's engine ready, and begin with the others'.

        Args:
            model: makes engines; they are closed with `close`, its own is not.
            avatars: in the order in which they are asked for.
            tell: takes a sentence for the user: why an avatar cannot be shown.

        Raises:
            UserError: an avatar's delta is not for this model, or no engine for the first avatar.
        """
        for avatar in avatars:
            if avatar.delta is not None:
                check_size(avatar.delta, model.info.dims)
        self._model, self._avatars, self._tell = model, avatars, tell
        plain = [number for number, avatar in enumerate(avatars) if avatar.delta is None]
        self._engines: dict[int, Engine] = dict.fromkeys(plain, model.render)
        self._stage, self._over = 0, threading.Event()
        if 0 not in self._engines:
            self._engines[0] = self._made(0)
        self._thread: threading.Thread | None = None
        if len(self._engines) < len(avatars):
            self._thread = threading.Thread(target=self._make_the_others, name="engines")
            self._thread.start()

    def on_stage(self, wanted: int) -> int:
        """The avatar to show: the one that is wanted once it is ready, till then the last one."""
        if wanted in self._engines:
            self._stage = wanted
        return self._stage

    def engine(self) -> Engine:
        """What draws the avatar that is on stage."""
        return self._engines[self._stage]

    def wait(self) -> None:
        """Until every avatar is ready, or cannot be."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Give the engines back that were made here; may be called twice."""
        self._over.set()
        self.wait()
        for engine in self._engines.values():
            if engine is not self._model.render:
                engine.close()

    def _make_the_others(self) -> None:
        for number, avatar in enumerate(self._avatars):
            if self._over.is_set():
                return
            if number in self._engines:
                continue
            try:
                self._engines[number] = self._made(number)
            except UserError as error:
                self._tell(f"the avatar {avatar.name!r} cannot be shown: {error}")

    def _made(self, number: int) -> Engine:
        delta = self._avatars[number].delta
        assert delta is not None and self._model.adjusted is not None
        return self._model.adjusted(delta)


class Dissolve:
    """From a still of one engine's pictures to those of another; costs a frame one blending."""

    def __init__(self, fade_s: float) -> None:
        self._fade_s, self._begin_s = fade_s, 0.0
        self._last: Image | None = None
        self._still: Image | None = None
        self._engine: Engine | None = None

    def __call__(self, pixels: Image, engine: Engine, time_s: float) -> Image:
        """What to show of u8 [H,W,3] that an engine drew."""
        if engine is not self._engine:
            self._still, self._begin_s, self._engine = self._last, time_s, engine
        share = 1.0 if self._fade_s == 0 else eased((time_s - self._begin_s) / self._fade_s)
        if share >= 1:
            self._still = None
        if self._still is not None:
            mixed = cv2.addWeighted(self._still, 1 - share, pixels, share, 0)
            pixels = np.asarray(mixed, np.uint8)
        self._last = pixels
        return pixels
