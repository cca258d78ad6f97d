"""SEARCH -> TRACK -> HOLD -> NEUTRAL -> SEARCH, edge by edge, on an injected clock."""

import pytest

from realtime.state import FaceState, FaceStateMachine

SEARCH, TRACK, HOLD, NEUTRAL = FaceState


def run(*script: tuple[bool, float]) -> FaceStateMachine:
    machine = FaceStateMachine()
    for seen, time_s in script:
        machine.update(seen, time_s)
    return machine


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ([(False, 0)], SEARCH),
        ([(False, 0), (False, 99)], SEARCH),
        ([(True, 0)], TRACK),
        ([(False, 0), (True, 1)], TRACK),
        ([(True, 0), (True, 99)], TRACK),
        ([(True, 0), (False, 0.04)], HOLD),
        ([(True, 0), (False, 1), (False, 1.49)], HOLD),
        ([(True, 0), (False, 1), (False, 1.5)], NEUTRAL),
        ([(True, 0), (False, 1), (True, 1.4)], TRACK),
        ([(True, 0), (False, 1), (False, 1.5), (False, 2.19)], NEUTRAL),
        ([(True, 0), (False, 1), (False, 1.5), (False, 2.21)], SEARCH),
        ([(True, 0), (False, 1), (False, 1.5), (True, 1.6)], TRACK),
        ([(True, 0), (False, 1), (False, 9)], SEARCH),
        ([(True, 0), (False, 1), (False, 9), (True, 10)], TRACK),
    ],
)
def test_edges(script: list[tuple[bool, float]], state: FaceState) -> None:
    assert run(*script).state is state


WAYS = {
    SEARCH: [(False, 0)],
    TRACK: [(True, 0)],
    HOLD: [(True, 0), (False, 1)],
    NEUTRAL: [(True, 0), (False, 1), (False, 1.6)],
}
"""How to get to each state."""


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("before", list(WAYS))
def test_a_pause_holds_from_every_state_and_goes_on_with_what_is_there(
    before: FaceState, seen: bool
) -> None:
    machine = run(*WAYS[before])
    assert machine.state is before
    for time_s in (2.0, 60.0):
        machine.pause(time_s)
        assert machine.state is HOLD and machine.progress == 0, "however long"
    assert machine.update(seen, 60.04) is (TRACK if seen else HOLD)
    assert machine.progress < 0.1, "eased to, not jumped to"
    assert machine.update(seen, 60.54) is (TRACK if seen else NEUTRAL)


@pytest.mark.parametrize("before", list(WAYS))
@pytest.mark.parametrize("seen", [True, False])
def test_there_are_no_other_edges(before: FaceState, seen: bool) -> None:
    """Whatever the time until the next look."""
    ways = {
        (SEARCH, False): {SEARCH},
        (TRACK, False): {HOLD},
        (HOLD, False): {HOLD, NEUTRAL, SEARCH},
        (NEUTRAL, False): {NEUTRAL, SEARCH},
    }
    last_s = WAYS[before][-1][1]
    after = {run(*WAYS[before], (seen, last_s + k / 20)).state for k in range(1, 60)}
    assert after == ({TRACK} if seen else ways[before, False])


def test_the_pause_is_counted_from_the_loss_not_from_the_last_frame() -> None:
    machine = run((True, 0), (True, 10), (False, 10.1), (False, 10.59))
    assert machine.state is HOLD
    assert machine.update(False, 10.6) is NEUTRAL


def test_the_first_face_is_shown_at_once() -> None:
    assert run((False, 0), (False, 5), (True, 5.04)).progress == 1


def test_while_held_nothing_moves() -> None:
    assert run((True, 0), (False, 1), (False, 1.4)).progress == 0


def test_it_eases_to_neutral_in_its_time() -> None:
    machine = run((True, 0), (False, 1))
    parts = []
    for step in range(1, 15):
        machine.update(False, 1.5 + step * 0.05)
        parts.append(machine.progress)
    assert parts == sorted(parts) and parts[-1] == 1
    assert parts[6] == pytest.approx(0.5, abs=0.01), "half way after 0.35 s"
    assert parts[0] < 0.02, "it starts gently"


def test_slow_frames_do_not_lengthen_the_way() -> None:
    machine = run((True, 0), (False, 1), (False, 1.85))
    assert machine.state is NEUTRAL
    assert machine.progress == pytest.approx(0.5, abs=0.01)


def test_a_face_that_returns_is_taken_up_quickly() -> None:
    machine = run((True, 0), (False, 1), (False, 9), (True, 10))
    assert machine.progress == 0
    machine.update(True, 10.1)
    assert machine.progress == pytest.approx(0.5)
    machine.update(True, 10.21)
    assert machine.progress == 1


def test_after_one_missed_frame_it_takes_one_frame() -> None:
    machine = run((True, 0), (False, 1), (True, 1.04))
    assert machine.update(True, 1.08) is TRACK
    assert machine.progress == pytest.approx(1)
