"""Adjusted avatars live: no frame waits for an engine, and pictures are faded, not styles."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from live_fakes import DIMS, GREY, FakeRender, a_model, an_avatar

from realtime.controls import State
from realtime.expression import Expression, Taste
from realtime.identity import Identity
from realtime.models import Delta, Model
from realtime.puppet import Puppet
from realtime.renders import Renders
from realtime.stats import Stats
from reenact.avatar import Avatar
from reenact.delta import size
from reenact.errors import UserError

PLAIN = an_avatar()
OTHER = 100
"""Levels by which an adjusted avatar's pictures are brighter."""


def adjusted(number: int = 1) -> Avatar:
    return replace(an_avatar(), delta=np.full(size(DIMS), number, np.float16))


class Brighter(FakeRender):
    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return super().__call__(array) + np.uint8(OTHER)


class Workshop:
    """Makes engines; waits at each until it may go on."""

    def __init__(self, at_once: bool = False) -> None:
        self.may, self.made = threading.Event(), list[Brighter]()
        if at_once:
            self.may.set()

    def __call__(self, delta: Delta) -> Brighter:
        assert self.may.wait(10)
        if delta[0] == 13:
            raise UserError("the delta is cursed")
        self.made.append(Brighter())
        return self.made[-1]

    def model(self) -> Model:
        return replace(a_model(), adjusted=self)


def a_puppet(workshop: Workshop, *avatars: Avatar, fade_s: float = 0.0) -> Puppet:
    identity = Identity(avatars, fade_s=fade_s)
    return Puppet(workshop.model(), identity, Stats(), Expression(Taste(0.0), None))


def level(puppet: Puppet, time_s: float, avatar: int) -> int:
    puppet.obey(State(avatar=avatar))
    pixels = puppet.drive(None, time_s).pixels
    assert np.ptp(pixels) == 0
    return int(pixels[0, 0, 0])


def test_every_frame_is_drawn_while_an_engine_is_being_made() -> None:
    workshop = Workshop()
    puppet = a_puppet(workshop, PLAIN, adjusted())
    levels = [level(puppet, k / 30, avatar=1) for k in range(40)]
    assert levels == [GREY] * 40, "the avatar on stage stays there"
    workshop.may.set()
    puppet._renders.wait()
    assert level(puppet, 2.0, avatar=1) == GREY + OTHER, "the very next frame"
    assert level(puppet, 2.1, avatar=0) == GREY and level(puppet, 2.2, avatar=1) == GREY + OTHER
    assert len(workshop.made) == 1, "made once, kept"
    puppet.close()
    assert workshop.made[0].closed == 1


def test_the_first_avatar_is_ready_before_the_show() -> None:
    puppet = a_puppet(Workshop(at_once=True), adjusted(), PLAIN)
    assert level(puppet, 0.0, avatar=0) == GREY + OTHER
    assert level(puppet, 0.1, avatar=1) == GREY
    puppet.close()


def test_pictures_of_different_weights_are_faded() -> None:
    workshop = Workshop(at_once=True)
    puppet = a_puppet(workshop, PLAIN, adjusted(), fade_s=1.0)
    puppet._renders.wait()
    before = level(puppet, 0.0, avatar=0)
    levels = [level(puppet, 1.0 + k / 10, avatar=1) for k in range(12)]
    assert (before, levels[0], levels[-1]) == (GREY, GREY, GREY + OTHER)
    assert levels == sorted(levels) and levels[5] == pytest.approx(GREY + OTHER / 2, abs=1)
    assert workshop.made[0].calls == len(levels), "one drawing a frame, also while it fades"
    puppet.close()


def test_an_avatar_that_cannot_be_shown_is_told_and_the_show_goes_on() -> None:
    told: list[str] = []
    workshop = Workshop(at_once=True)
    avatars = (PLAIN, replace(adjusted(13), name="Cursed"), adjusted())
    renders = Renders(workshop.model(), avatars, told.append)
    renders.wait()
    assert told == ["the avatar 'Cursed' cannot be shown: the delta is cursed"]
    assert [renders.on_stage(wanted) for wanted in (1, 2, 1)] == [0, 2, 2]
    renders.close()
    with pytest.raises(UserError, match="cursed"):
        Renders(workshop.model(), avatars[1:])


def test_a_delta_of_another_size_is_refused_before_anything_runs() -> None:
    wrong = replace(PLAIN, delta=np.ones(7, np.float16))
    with pytest.raises(UserError, match="adjust it again"):
        Renders(Workshop().model(), [PLAIN, wrong])


def test_closing_ends_what_is_being_made() -> None:
    workshop = Workshop()
    renders = Renders(workshop.model(), [PLAIN, adjusted(), adjusted()])
    threading.Timer(0, workshop.may.set).start()
    renders.close()
    renders.close()
    assert all(engine.closed for engine in workshop.made)
