"""Outputs that come and go with a key while the show runs."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from realtime.controls import Controls
from realtime.memory import give_back
from realtime.outputs import Output
from realtime.pacing import Aside, Counts
from realtime.puppet import Picture
from reenact.errors import UserError

_LEAVE_S = 10.0


class Switched:
    """The output that a user wants now and then: made anew each time, kept each time.

    What is asked for on the command line must work; what is asked for by a key and does not work is
    told, and turned off again. Closing has a thread of its own: a recording may take a moment.

    Attributes:
        used: whether it was ever wanted.
    """

    size, done = None, False
    fps: float | None = None

    def __init__(
        self,
        what: str,
        make: Callable[[], Output],
        controls: Controls,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Nothing is opened.

        Args:
            what: "camera" or "recording", of `State`.
            make: makes an output, not yet opened.
            controls: say whether it is wanted.
            tell: takes a sentence for the user: what went wrong, what was saved.
        """
        self.label = what
        self._what, self._make, self._controls, self._tell = what, make, controls, tell
        self._must = self._wanted()
        self._first = make() if self._must else None  # refuses what cannot be, before anything runs
        self._output: Output | None = None
        self._sizes = (0, 0, 0.0)
        self._closing: list[threading.Thread] = []
        self.used = False
        self._counts = Counts()  # of those that were left

    def open(self, width: int, height: int, fps: float) -> None:
        self._sizes = (width, height, fps)
        if self._wanted():
            self._begin()

    def send(self, picture: Picture) -> None:
        """Show a picture where that is wanted; open or leave the output where that has changed."""
        try:
            if self._wanted() and self._output is None and not self._still_closing():
                self._begin()
            elif not self._wanted() and self._output is not None:
                self._end()
            if self._output is not None:
                self._output.send(picture)
        except (UserError, OSError, RuntimeError) as error:
            if self._must:
                raise
            self._controls.give_up(self._what)
            self._tell(str(error))
            self._end()

    def close(self, keep: bool) -> None:
        """Leave it; what was begun by a key is kept even if the show goes wrong."""
        output, self._output = self._output, None
        try:
            if output is not None:
                output.close(keep or not self._must)
                self._left(output)
        finally:
            for thread in self._closing:
                thread.join(_LEAVE_S)

    @property
    def counts(self) -> Counts:
        """What became of the pictures of all the outputs that it was."""
        now = self._output.counts if isinstance(self._output, Aside) else Counts()
        return _sum(self._counts, now)

    def _wanted(self) -> bool:
        return bool(getattr(self._controls.now, self._what))

    def _still_closing(self) -> bool:
        return any(thread.is_alive() for thread in self._closing)

    def _begin(self) -> None:
        output, self._first = self._first or self._make(), None
        try:
            output.open(*self._sizes)
        except BaseException:
            output.close(keep=False)
            raise
        self._output, self.label = output, output.label
        self.used = True

    def _end(self) -> None:
        output, self._output = self._output, None
        self._must = False  # the user has taken it into their own hands
        if output is not None:
            thread = threading.Thread(target=self._leave, args=(output,), name="closing")
            self._closing = [thread]
            thread.start()

    def _leave(self, output: Output) -> None:
        try:
            output.close(keep=True)
            self._left(output)
        except (UserError, OSError, RuntimeError) as error:
            self._tell(str(error))
        give_back()

    def _left(self, output: Output) -> None:
        if isinstance(output, Aside):
            self._counts = _sum(self._counts, output.counts)
        if self._what == "recording":
            self._tell(f"saved {output.label}")


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(*(getattr(one, name) + value for name, value in vars(other).items()))


def recording_file(folder: Path, now: Callable[[], datetime] = datetime.now) -> Path:
    """A file in a folder, named by date and time, that is not there yet."""
    name = f"reenact-{now():%Y-%m-%d-%H%M%S}"
    path, number = folder / f"{name}.mp4", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.mp4"
    return path
