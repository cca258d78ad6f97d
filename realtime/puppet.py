"""The puppet: one avatar, set once, driven frame by frame; and the only maker of pictures.

Outputs take nothing but a `Picture`, and only this module can make one: from what the render engine
gives, or a card. Pixels of the camera go into `encode_deformation` and no further.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from engines import Engine, Overlapping
from realtime.calibration import Phase
from realtime.controls import State
from realtime.expression import Expression
from realtime.frames import Image
from realtime.identity import Identity
from realtime.models import Model
from realtime.renders import Dissolve, Renders
from realtime.roll import Roll, turned
from realtime.state import FaceState, FaceStateMachine
from realtime.stats import Stats
from reenact.spaces import add_deformation, deformation_count, style_count

Vector = npt.NDArray[np.float32]

_MAKER = object()


class Picture:
    """Something that outputs may show: rendered pixels or a card, never a frame of a camera.

    Attributes:
        pixels: u8 [H,W,3] RGB, read-only.
        time_s: when it belongs, as the frame's `time_s`.
    """

    __slots__ = ("pixels", "time_s")

    def __init__(self, maker: object, pixels: Image, time_s: float) -> None:
        if maker is not _MAKER:
            raise TypeError("only Puppet.drive and card() make pictures")
        pixels.setflags(write=False)
        self.pixels, self.time_s = pixels, time_s

    def onto(self, still: Image, mirror: bool = False) -> "Picture":
        """As large as fits into the middle of a still picture, u8 [H,W,3] RGB, which stays as it is."""
        shown = self.pixels[:, ::-1] if mirror else self.pixels
        return Picture(_MAKER, placed(shown, still), self.time_s)


def card(text: str, width: int, height: int, time_s: float) -> Picture:
    """A plain picture with a short text: what is shown when nothing can be rendered."""
    pixels = np.full((height, width, 3), (38, 40, 46), np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, width / 400
    (wide, high), _ = cv2.getTextSize(text, font, scale, 1)
    place = ((width - wide) // 2, (height + high) // 2)
    cv2.putText(pixels, text, place, font, scale, (200, 204, 212), 1, cv2.LINE_AA)
    return Picture(_MAKER, pixels, time_s)


class Puppet:
    """Avatars on their strings: crop in, picture of one of them out, once per frame.

    Attributes:
        width, height: of its pictures, px.
        crop: side of the square it wants to see, px.
        faces: how many frames had one.
    """

    def __init__(
        self,
        model: Model,
        identity: Identity,
        stats: Stats,
        expression: Expression,
        calibrated: Callable[[Vector], None] = lambda neutral: None,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Set the avatars up.

        Args:
            model: its engines.
            identity: of avatars made for this model's generator.
            stats: takes the times of encode, smooth, add and render.
            expression: how the driver is followed.
            calibrated: takes a neutral face f32 [D] that was just found, to keep it.
            tell: takes a sentence for the user, of an avatar that cannot be shown.

        Raises:
            UserError: an avatar belongs to another generator, or the first cannot be shown.
        """
        self._dims = model.info.dims
        identity.check_fits(model.info.fingerprint, style_count(self._dims))
        self.width = self.height = model.resolution
        self.crop, self.faces = model.info.crop, 0
        self._model, self._identity, self._stats = model, identity, stats
        self._renders = Renders(model, identity.avatars, tell)
        self._dissolve = Dissolve(identity.fade_s)
        self._expression, self._calibrated = expression, calibrated
        self._machine, self._roll = FaceStateMachine(), Roll(model.basis)
        self._paused, self._calibrations = False, 0
        self._neutral: Vector = np.zeros(deformation_count(self._dims), np.float32)
        self._shown = self._from = self._neutral
        self._ahead: tuple[Engine, float, float] | None = None  # what draws, its turn and time

    @property
    def state(self) -> FaceState:
        """Whether a face is followed."""
        return self._machine.state

    @property
    def roll(self) -> float:
        """Rad, counter-clockwise, that the driver's head is rolled: the crop's window is, too."""
        return self._roll.angle

    def countdown(self, time_s: float) -> float | None:
        """Seconds until calibration looks at the face, 0 while it does; None: it is not at it."""
        calibrator = self._expression.calibrator
        if calibrator.phase is Phase.IDLE:
            return None
        return calibrator.left_s(time_s) if calibrator.phase is Phase.COUNTDOWN else 0.0

    def obey(self, state: State) -> None:
        """Do from now on what the user wants; costs nothing while that does not change."""
        self._identity.choose(self._renders.on_stage(state.avatar), state.strengths)
        self._expression.follow(state.taste)
        self._paused = state.paused
        if state.calibrations != self._calibrations:
            self._calibrations = state.calibrations
            self._expression.calibrator.start()

    def drive(self, crop: Image | None, time_s: float) -> Picture:
        """Do what the face does.

        Args:
            crop: u8 [C,C,3] of the face, None where there is none.
            time_s: of the frame; never before the last one.
        """
        self._follow(crop, time_s)
        return self._render(time_s)

    def drive_ahead(self, crop: Image | None, time_s: float) -> Picture | None:
        """As `drive`, but give the picture of the call before, None in the first one.

        Meanwhile the new one is drawn: the GPU encodes a frame beside drawing the one before it.
        The model's `render` must be `Overlapping`; `last_ahead` gives the last picture.
        """
        self._follow(crop, time_s)
        before, engine = self.last_ahead(), self._renders.engine()
        assert isinstance(engine, Overlapping)
        styles, turn = self._styles(time_s)
        engine.start(styles[None])
        self._ahead = engine, turn, time_s
        return before

    def last_ahead(self) -> Picture | None:
        """The picture that `drive_ahead` began last, None where there is none."""
        if self._ahead is None:
            return None
        (engine, turn, time_s), self._ahead = self._ahead, None
        assert isinstance(engine, Overlapping)
        with self._stats.stage("render"):
            return self._picture(engine.finish()[0], engine, turn, time_s)

    def close(self) -> None:
        """Give the engines of adjusted avatars back; may be called twice."""
        self._renders.close()

    def card(self, text: str, time_s: float) -> Picture:
        """A card of the size of its pictures."""
        return card(text, self.width, self.height, time_s)

    def _follow(self, crop: Image | None, time_s: float) -> None:
        if self._paused:
            self._machine.pause(time_s)
            return
        before = self._machine.state
        state = self._machine.update(crop is not None, time_s)
        if state is not before:
            self._from = self._shown
            if state is FaceState.TRACK and before is not FaceState.HOLD:
                self._expression.forget()  # it may be another face, in another pose
        if state is not FaceState.HOLD:
            goal = self._goal(crop, time_s)
            self._shown = self._from + np.float32(self._machine.progress) * (goal - self._from)

    def _goal(self, crop: Image | None, time_s: float) -> Vector:
        """What to show of the driver; neutral where there is none."""
        if crop is None:
            self._expression.see(None, time_s)
            self._roll.forget()
            return self._neutral
        self.faces += 1
        with self._stats.stage("encode"):
            deformation: Vector = self._model.encode(crop[None])[0]
        with self._stats.stage("smooth"):
            deformation = self._roll.whole(deformation)
            found = self._expression.see(deformation, time_s)
            shown = self._expression(deformation, time_s)
        if found is not None:
            self._calibrated(found)
        return shown

    def _styles(self, time_s: float) -> tuple[Vector, float]:
        """What to draw f32 [S], and the rad that the picture of it is to be turned."""
        with self._stats.stage("add"):
            drawn, turn = self._roll.split(self._shown)
            return add_deformation(self._dims, self._identity.styles(time_s), drawn), turn

    def _render(self, time_s: float) -> Picture:
        styles, turn = self._styles(time_s)
        engine = self._renders.engine()
        with self._stats.stage("render"):
            return self._picture(engine(styles[None])[0], engine, turn, time_s)

    def _picture(self, pixels: Image, engine: Engine, turn: float, time_s: float) -> Picture:
        """What an engine drew, dissolved into what another drew before, and turned."""
        return Picture(_MAKER, turned(self._dissolve(pixels, engine, time_s), turn), time_s)


def placed(pixels: Image, still: Image) -> Image:
    """A copy of `still` with u8 [h,w,3] `pixels` in its middle, as large as their proportions allow."""
    (high, wide), (height, width) = pixels.shape[:2], still.shape[:2]
    scale = min(width / wide, height / high)
    inner = (max(1, round(wide * scale)), max(1, round(high * scale)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    if inner != (wide, high):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(pixels, inner, interpolation=method), np.uint8)
    if inner == (width, height):
        return pixels.copy()
    target = still.copy()
    target[top : top + inner[1], left : left + inner[0]] = pixels
    return target
