"""Outputs on threads of their own: the clock, repeats, what is late, and who waits for whom."""

import gc
import threading
import weakref
from contextlib import suppress

import numpy as np
import pytest
from live_fakes import Recorder

from realtime.pacing import Aside, OnClock, Ticks
from realtime.puppet import _MAKER, Picture
from reenact.errors import UserError

PATIENCE_S = 10.0


def picture(level: int) -> Picture:
    return Picture(_MAKER, np.full((4, 4, 3), level, np.uint8), level / 25)


def levels(recorder: Recorder) -> list[int]:
    return [int(pixels[0, 0, 0]) for pixels in recorder.pixels]


class Gate(Recorder):
    """An output that takes its time: each picture waits for a `pass_`."""

    def __init__(self, fps: float | None = None) -> None:
        super().__init__(fps=fps)
        self.arrived, self.pass_ = threading.Semaphore(0), threading.Semaphore(0)

    def send(self, picture: Picture) -> None:
        super().send(picture)
        self.arrived.release()
        assert self.pass_.acquire(timeout=PATIENCE_S)


def test_ticks_come_at_even_times_whatever_happens_between() -> None:
    ticks, dues = Ticks(25.0), []
    for spent in (0.001, 0.030, 0.039, 0.002):
        due_s = ticks.next_s(100.0 + len(dues) * 0.04)
        dues.append(due_s)
        ticks.sent(due_s + spent)
    assert dues == pytest.approx([100.0, 100.04, 100.08, 100.12])
    assert (ticks.counts.sent, ticks.counts.late, ticks.counts.missed) == (4, 2, 0)


def test_moments_that_are_over_are_missed_and_the_beat_stays() -> None:
    ticks = Ticks(25.0)
    ticks.next_s(100.0)
    ticks.sent(100.0)
    assert ticks.next_s(100.175) == pytest.approx(100.16)  # 100.04, .08, .12 are wholly over
    ticks.sent(100.176)
    assert (ticks.counts.missed, ticks.counts.late) == (3, 0)
    assert ticks.next_s(100.18) == pytest.approx(100.20)


def test_a_slow_output_gets_the_newest_and_nobody_waits() -> None:
    gate = Gate()
    aside = Aside(gate)
    aside.open(4, 4, 25.0)
    aside.send(picture(1))
    assert gate.arrived.acquire(timeout=PATIENCE_S)  # it is busy with 1 now
    for level in (2, 3, 4):
        aside.send(picture(level))
    for _ in range(3):
        gate.pass_.release()
    aside.close(keep=True)
    assert levels(gate) == [1, 4]
    assert (aside.counts.sent, aside.counts.missed) == (2, 2)
    assert gate.kept == [True]


def test_a_clocked_output_repeats_the_last_picture() -> None:
    gate = Gate(fps=500.0)
    clocked = OnClock(gate)
    clocked.open(4, 4, 25.0)
    assert gate.opened == (4, 4, 500.0), "its own rate, not the input's"
    clocked.send(picture(1))
    for level in (1, 1, 1):
        assert gate.arrived.acquire(timeout=PATIENCE_S)
        if len(gate.pixels) == 3:
            clocked.send(picture(2))
        gate.pass_.release()
        assert levels(gate)[-1] == level
    assert gate.arrived.acquire(timeout=PATIENCE_S)
    assert levels(gate) == [1, 1, 1, 2]
    for _ in range(3):
        gate.pass_.release()
    clocked.close(keep=True)
    assert clocked.counts.repeated >= 2 and clocked.counts.sent == len(gate.pixels)


def test_the_last_picture_goes_out_before_the_end() -> None:
    recorder = Recorder(fps=2.0)
    clocked = OnClock(recorder)
    clocked.open(4, 4, 25.0)
    clocked.send(picture(1))
    while not recorder.pixels:
        pass
    clocked.send(picture(9))  # a card, say; half a second before it is due
    clocked.close(keep=True)
    assert levels(recorder) == [1, 9]


def test_an_output_that_gets_nothing_ends_all_the_same() -> None:
    for output in (Aside(Recorder()), OnClock(Recorder(fps=30.0))):
        output.open(4, 4, 25.0)
        output.close(keep=False)
        assert output._thread is not None and not output._thread.is_alive()


@pytest.mark.parametrize("kind", [Aside, OnClock])
def test_what_goes_wrong_in_the_thread_is_raised_in_the_loop(kind: type[Aside]) -> None:
    broken = kind(Recorder(fails_at=1, fps=100.0))
    broken.open(4, 4, 25.0)
    broken.send(picture(1))
    assert broken._thread is not None
    broken._thread.join(PATIENCE_S)
    with pytest.raises(OSError, match="cable"):
        broken.send(picture(2))
    with pytest.raises(OSError, match="cable"):
        broken.close(keep=True)


@pytest.mark.parametrize("opens", [True, False])
def test_nothing_is_kept_of_an_output_that_was_left(opens: bool) -> None:
    """Its canvas is megabytes, which the garbage collector does not see."""

    class Stubborn(Recorder):
        def open(self, width: int, height: int, fps: float) -> None:
            if not opens:
                raise UserError("there is no driver")

    output = OnClock(Stubborn(fps=100.0))
    kept = weakref.ref(output)
    gc.disable()
    try:
        with suppress(UserError):
            output.open(4, 4, 25.0)
        output.close(keep=True)
        del output
        assert kept() is None
    finally:
        gc.enable()
