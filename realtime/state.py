"""Is there a face to follow?  SEARCH -> TRACK -> HOLD -> NEUTRAL -> SEARCH."""

from enum import Enum

from realtime.smoothing import eased


class FaceState(Enum):
    SEARCH = "search"
    """No face; the avatar is neutral."""
    TRACK = "track"
    """A face is followed."""
    HOLD = "hold"
    """It was there a moment ago; the avatar keeps its expression."""
    NEUTRAL = "neutral"
    """It is gone; the avatar eases to neutral."""


class FaceStateMachine:
    """Follows the face's coming and going on a clock that it is told.

    Any state goes to TRACK when the face is seen. TRACK goes to HOLD when it is not, HOLD to
    NEUTRAL after `HOLD_S`, NEUTRAL to SEARCH after `EASE_S`.

    Attributes:
        state: now.
        progress: how far the avatar has gone, 0 to 1, from what it showed when the state began to
            what the state aims at: the driver (TRACK) or neutral (NEUTRAL, SEARCH). A face that was
            away for a moment is taken up again in a moment, after a pause in `RETURN_S`, and the
            first one at once.
    """

    HOLD_S = 0.5
    EASE_S = 0.7
    RETURN_S = 0.2

    def __init__(self) -> None:
        self.state = FaceState.SEARCH
        self.progress = 1.0
        self._since_s: float | None = None
        self._return_s = 0.0

    def update(self, seen: bool, time_s: float) -> FaceState:
        """Say whether the face is seen at a time (never before the last one)."""
        if seen:
            self._see(time_s)
        elif self.state is FaceState.TRACK:
            self._enter(FaceState.HOLD, time_s)
        if self.state is FaceState.HOLD and self._passed(time_s) >= self.HOLD_S:
            self._enter(FaceState.NEUTRAL, time_s - self._passed(time_s) + self.HOLD_S)
        if self.state is FaceState.NEUTRAL and self._passed(time_s) >= self.EASE_S:
            self._enter(FaceState.SEARCH, time_s)
        self.progress = self._progress(time_s)
        return self.state

    def pause(self, time_s: float) -> None:
        """Hold at a time, whatever is seen; the face that is there afterwards is eased back to."""
        self._enter(FaceState.HOLD, time_s - self.RETURN_S)
        self.progress = 0.0

    def _see(self, time_s: float) -> None:
        if self.state is not FaceState.TRACK:
            # A pause begins with HOLD; before the first face there was nothing to ease from.
            away_s = self._passed(time_s) if self.state is FaceState.HOLD else self.RETURN_S
            self._return_s = 0.0 if self._since_s is None else min(self.RETURN_S, away_s)
            self._enter(FaceState.TRACK, time_s)

    def _progress(self, time_s: float) -> float:
        whole_s = {FaceState.TRACK: self._return_s, FaceState.NEUTRAL: self.EASE_S}.get(self.state)
        if whole_s is None:
            return 0.0 if self.state is FaceState.HOLD else 1.0
        part = self._passed(time_s) / whole_s if whole_s > 0 else 1.0
        return eased(part)

    def _enter(self, state: FaceState, time_s: float) -> None:
        self.state, self._since_s = state, time_s

    def _passed(self, time_s: float) -> float:
        return 0.0 if self._since_s is None else time_s - self._since_s
