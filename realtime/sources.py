"""Frames for the loop: each once, or live, where only the newest counts."""

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from realtime.frames import Frame, Image
from realtime.health import CameraHealth
from realtime.mailbox import Closed, Mailbox
from realtime.readers import Reader
from realtime.stats import Stats
from reenact.errors import UserError

_LEAVE_S = 5.0


class Ended(Exception):
    """The input is over."""


class Source(Protocol):
    """Where the loop gets its frames.

    Attributes:
        fps: the input's own rate.
    """

    fps: float

    @property
    def drops(self) -> int:
        """Frames of the input that nobody will see."""
        ...

    @property
    def trouble(self) -> str | None:
        """What is wrong with the input now, in words; None: nothing."""
        ...

    def take(self, timeout_s: float) -> Frame | None:
        """The next frame, None when there was none in time.

        Raises:
            Ended: the input is over.
        """
        ...

    def close(self) -> None:
        """Give the input back; may be called twice."""
        ...


class EveryFrame:
    """Gives each frame of a file exactly once, however long the rest takes."""

    drops, trouble = 0, None

    def __init__(self, reader: Reader, stats: Stats) -> None:
        self._reader, self._stats = reader, stats
        self.fps = reader.fps
        self._index = 0

    def take(self, timeout_s: float) -> Frame | None:
        begin = time.perf_counter()
        image = self._reader.read()
        if image is None:
            raise Ended
        now = time.perf_counter()
        self._stats.add("capture", now - begin)
        frame = Frame(image, now, self._index / self.fps, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        self._reader.close()


class Feed(Protocol):
    """A live input seen from its thread.

    Attributes:
        fps: the input's own rate.
        late: frames passed over because their time was gone.
        trouble: what is wrong with it now, in words.
    """

    fps: float
    late: int
    trouble: str | None

    def run(self, put: Callable[[Frame], None], leaving: threading.Event) -> None:
        """Hand over frame by frame until the input ends or `leaving` is set."""
        ...

    def close(self) -> None:
        """Give the input back; may be called twice."""
        ...


class CameraFeed:
    """A camera sets its own pace; one that is pulled out is waited for."""

    late = 0
    _RETRY_S = 1.0

    def __init__(
        self,
        reader: Reader,
        again: Callable[[], Reader],
        stats: Stats,
        note: Callable[[str], None],
    ) -> None:
        """`again` opens the camera anew, or raises UserError; `note` takes a sentence for the user."""
        self._reader, self._again, self._stats, self._note = reader, again, stats, note
        self.fps = reader.fps
        self._health = CameraHealth(reader.fps)
        self.trouble: str | None = None
        self._said: str | None = None
        self._index = 0

    def run(self, put: Callable[[Frame], None], leaving: threading.Event) -> None:
        """See `Feed`."""
        while not leaving.is_set():
            if not self._reader.grab():
                self._wait_for_it(leaving)
                continue
            captured_s = time.perf_counter()  # before the work of unpacking
            image = self._reader.retrieve()
            self._stats.add("capture", time.perf_counter() - captured_s)
            if image is None:  # a damaged frame now and then is usual with MJPEG
                continue
            self._tell(self._health.see(image, captured_s))
            put(Frame(image, captured_s, captured_s, self._index))
            self._index += 1

    def close(self) -> None:
        self._reader.close()

    def _wait_for_it(self, leaving: threading.Event) -> None:
        if leaving.is_set():
            return
        self._tell("the camera gives no pictures any more: connect it again")
        self._reader.close()
        while not leaving.wait(self._RETRY_S):
            with suppress(UserError):
                self._reader = self._again()
                self._health.forget()
                self._tell("the camera is back")
                return

    def _tell(self, sentence: str | None) -> None:
        """Say it, once until it changes by more than a number."""
        self.trouble = sentence
        if sentence is not None and _words(sentence) != _words(self._said or ""):
            self._note(sentence)
        self._said = sentence or self._said


def _words(sentence: str) -> str:
    return re.sub(r"\d+", "", sentence)


class FileFeed:
    """Plays a file at its own rate: what is late by more than one frame is passed over."""

    trouble: str | None = None

    def __init__(
        self,
        reader: Reader,
        stats: Stats,
        again: bool,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`again`: at the end begin anew, for ever."""
        self._reader, self._stats, self._again, self._clock = reader, stats, again, clock
        self.fps = reader.fps
        self.late = 0

    def run(self, put: Callable[[Frame], None], leaving: threading.Event) -> None:
        """See `Feed`."""
        index, begin_s = 0, self._clock()
        while not leaving.is_set():
            due_s = begin_s + index / self.fps
            if self._clock() > due_s + 1 / self.fps and self._reader.skip():
                self.late += 1
            else:
                read_s = self._clock()
                image = self._next()
                if image is None:
                    return
                self._stats.add("capture", self._clock() - read_s)
                leaving.wait(max(0.0, due_s - self._clock()))
                now_s = self._clock()
                put(Frame(image, now_s, now_s, index))
            index += 1

    def _next(self) -> Image | None:
        image = self._reader.read()
        if image is None and self._again:
            self._reader.rewind()
            image = self._reader.read()
        return image

    def close(self) -> None:
        self._reader.close()


class Live:
    """Runs a feed in a thread of its own and keeps the newest frame only."""

    def __init__(self, feed: Feed) -> None:
        """Nothing runs before `start`."""
        self.fps = feed.fps
        self._feed = feed
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin; a file plays from now on."""
        self._thread.start()

    @property
    def drops(self) -> int:
        return self._feed.late + self._mailbox.drops

    @property
    def trouble(self) -> str | None:
        return self._feed.trouble

    def take(self, timeout_s: float) -> Frame | None:
        try:
            return self._mailbox.take(timeout_s)
        except Closed:
            raise Ended from None

    def close(self) -> None:
        self._leaving.set()
        self._mailbox.close()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_S)
        if not self._thread.is_alive():  # else it is stuck in the driver: the process' end frees it
            self._feed.close()

    def _run(self) -> None:
        try:
            self._feed.run(self._mailbox.put, self._leaving)
            self._mailbox.close()
        except BaseException as error:
            self._mailbox.close(error)
