"""Where to look: the steady window on the driver's face, inline or from a thread of its own."""

import threading
import time
from dataclasses import replace
from typing import Protocol

from realtime.frames import Frame, Image
from realtime.mailbox import Closed, Mailbox
from realtime.person import Looks, Person, looks
from realtime.stats import Stats
from reenact.face import (
    Box,
    FaceFinder,
    Fits,
    Window,
    WindowTracker,
    cut,
    likeness,
    window_of_box,
)

_LEAVE_S = 5.0


class Faces(Protocol):
    """What the loop asks for every frame."""

    def follow(self, frame: Frame, roll: float = 0.0) -> Window | None:
        """The upright window on the face in this frame, None while there is no face to follow.

        `roll`: rad, counter-clockwise, of the head as far as it is known.
        """
        ...

    def keep_to(self, one: bool) -> None:
        """Follow nobody but whoever is followed now; or, again, anybody."""
        ...

    @property
    def strangers(self) -> bool:
        """Whether somebody is there who is not followed, and nobody else."""
        ...

    def close(self) -> None:
        """Stop looking; may be called twice."""
        ...


class Finder(Protocol):
    """Finds a face; see `reenact.face.FaceFinder`."""

    def find_near(self, image: Image, fits: Fits, roll: float) -> Box | None: ...
    def find_anywhere(self, image: Image, fits: Fits) -> Box | None: ...
    def forget(self) -> None: ...


class FaceFollower:
    """Finder and tracker together, and patience with a face that turns away.

    The cascades lose a face that turns or is half covered. As long as what is in the window still
    looks like it did, the window stays, for up to two seconds; nobody else is looked for meanwhile,
    so that a poster behind the driver does not become the driver. Once it keeps to one person, a
    face that does not look like them is no face, however near or large.

    Attributes:
        strangers: whether the last look found faces, but only those of others.
    """

    PATIENCE_S = 2.0
    ALIKE = 0.5
    """Correlation of the window's content with that of the last detection."""
    _PATCH = 24

    def __init__(self, finder: Finder | None = None) -> None:
        self._finder: Finder = FaceFinder() if finder is None else finder
        self._tracker = WindowTracker()
        self._lock = threading.Lock()  # window() may be called while look() works
        self._present, self.strangers = False, False
        self._person: Person | None = None
        self._found: tuple[Window, Image, float] | None = None

    def look(self, image: Image, time_s: float, roll: float = 0.0) -> bool:
        """Search u8 [H,W,3] of a time, which costs 3 to 150 ms; whether the face is there.

        `roll`: rad, counter-clockwise, of the head as far as it is known.
        """
        person, refused = self._person, list[Box]()

        def seen(box: Box) -> Looks:
            return looks(image, replace(window_of_box(box), angle=roll))

        def fits(box: Box) -> bool:
            them = person is None or person.is_who(seen(box))
            if not them:
                refused.append(box)
            return them

        box = self._finder.find_near(image, fits, roll)
        if box is None and not refused and self._still_there(image, time_s):
            return True
        box = box or self._finder.find_anywhere(image, fits)
        self.strangers = box is None and bool(refused)
        if box is not None and person is not None:
            person.learn(seen(box))
        with self._lock:
            if box is None:
                self._lose(time_s)
            else:
                self._see(image, window_of_box(box), time_s)
            return self._present

    def keep_to(self, one: bool) -> None:
        """Follow nobody but whoever is followed at the next look; or, again, anybody."""
        self._person = Person() if one else None

    def window(self, time_s: float) -> Window | None:
        """Where to look at a time, for next to nothing; None while there is no face."""
        with self._lock:
            return self._tracker.window(time_s) if self._present else None

    def _see(self, image: Image, window: Window, time_s: float) -> None:
        if not self._present:
            self._tracker.forget()
        self._tracker.see(window)
        self._present = True
        self._found = (window, cut(image, window, self._PATCH), time_s)

    def _lose(self, time_s: float) -> None:
        self._present = False
        if self._found is not None and time_s - self._found[2] > self.PATIENCE_S:
            self._finder.forget()
            self._found = None

    def _still_there(self, image: Image, time_s: float) -> bool:
        if not self._present or self._found is None:
            return False
        window, patch, found_s = self._found
        if time_s - found_s > self.PATIENCE_S:
            return False
        return likeness(patch, cut(image, window, self._PATCH)) > self.ALIKE


class _Following:
    """What both have in common: the follower."""

    def __init__(self, follower: FaceFollower, stats: Stats) -> None:
        self._follower, self._stats = follower, stats

    def keep_to(self, one: bool) -> None:
        self._follower.keep_to(one)

    @property
    def strangers(self) -> bool:
        return self._follower.strangers


class InlineFaces(_Following):
    """Looks in every second frame, and in every one while there is no face: for files."""

    _EVERY = 2

    def __init__(self, follower: FaceFollower, stats: Stats) -> None:
        super().__init__(follower, stats)
        self._frames = 0

    def follow(self, frame: Frame, roll: float = 0.0) -> Window | None:
        if self._frames % self._EVERY == 0 or self._follower.window(frame.time_s) is None:
            with self._stats.stage("find"):
                self._follower.look(frame.image, frame.time_s, roll)
        self._frames += 1
        return self._follower.window(frame.time_s)

    def close(self) -> None:
        pass


class FaceThread(_Following):
    """Looks in the newest frame, in a thread of its own, while the loop goes on.

    It rests between two looks, longer after a long one: without a face every look is a search of
    the whole picture, which must not take a core from the networks.
    """

    _REST_S = 0.05

    def __init__(self, follower: FaceFollower, stats: Stats) -> None:
        super().__init__(follower, stats)
        self._newest: Mailbox[tuple[Frame, float]] = Mailbox()
        self._leaving = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="face", daemon=True)
        self._thread.start()

    def follow(self, frame: Frame, roll: float = 0.0) -> Window | None:
        if self._error is not None:
            raise self._error
        self._newest.put((frame, roll))
        return self._follower.window(frame.time_s)

    def close(self) -> None:
        self._leaving.set()
        self._newest.close()
        self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        try:
            while not self._leaving.is_set():
                newest = self._newest.take()
                if newest is None:
                    continue
                frame, roll = newest
                begin = time.perf_counter()
                self._follower.look(frame.image, frame.time_s, roll)
                took = time.perf_counter() - begin
                self._stats.add("find", took)
                self._leaving.wait(max(self._REST_S, 2 * took))
        except Closed:
            pass
        except BaseException as error:
            self._error = error
