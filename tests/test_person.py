"""Known by their looks: real people beside others, in other poses and another light."""

import numpy as np
import pytest
from test_face import frames

from realtime.frames import Image
from realtime.person import Looks, Person, looks
from reenact.face import FaceFinder, Window, window_of_box

PEOPLE = ("d0", "d3", "d10", "d12", "d14", "d20")
Heads = dict[str, list[tuple[Image, Window]]]


@pytest.fixture(scope="module")
def heads() -> Heads:
    """Four frames of the first second of each, and some of the time after."""
    found: Heads = {}
    for name in PEOPLE:
        finder, images = FaceFinder(), list(frames(f"drivers/{name}.mp4", 6))
        for image in [*images[:4], *images[4::8]]:
            box = finder.find(image)
            if box is not None:
                found.setdefault(name, []).append((image, window_of_box(box)))
    return found


@pytest.mark.parametrize("light", [1.0, 0.9, 1.1])
def test_the_same_people_later_and_nobody_else(heads: Heads, light: float) -> None:
    """In the order of time, as the follower meets them; a few leap into another pose."""
    for name in PEOPLE:
        others = [looks(*head) for other in PEOPLE if other != name for head in heads[other]]
        person, same = Person(), []
        for number, (image, window) in enumerate(heads[name]):
            lit = image if number < 4 else np.clip(image * light, 0, 255).astype(np.uint8)
            seen = looks(lit, window)
            same.append(person.is_who(seen))
            if same[-1]:
                person.learn(seen)
            assert not any(map(person.is_who, others)), name
        assert np.mean(same) > 0.85, name


def test_looks_are_unit_vectors_of_anything_at_all() -> None:
    for image in (np.zeros((40, 50, 3), np.uint8), np.full((40, 50, 3), 255, np.uint8)):
        seen = looks(image, Window(25, 20, 30))
        assert seen.dtype == np.float32 and np.isfinite(seen).all()
        assert np.linalg.norm(seen) <= 1 + 1e-5


def at(angle: float) -> Looks:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_before_the_first_view_it_is_anybody() -> None:
    person = Person()
    assert person.is_who(at(0)) and person.is_who(at(1))
    person.learn(at(0))
    assert person.is_who(at(0.1)) and not person.is_who(at(1))


def test_who_changes_slowly_stays_who_they_are() -> None:
    person, angle = Person(), 0.0
    while angle < 1.4:
        assert person.is_who(at(angle)), "step by step"
        person.learn(at(angle))
        angle += 0.1
    assert not person.is_who(-at(0))


def test_the_first_view_is_never_forgotten_and_views_are_few() -> None:
    person = Person()
    views = np.eye(200, dtype=np.float32)
    for view in views:
        person.learn(view)
    assert person.distance(views[0]) == 0 and person.distance(views[100]) == 1
    assert len(person._later) == Person._VIEWS
    before = list(person._later)
    person.learn(before[-1])
    assert len(person._later) == len(before) and person._later[-1] is before[-1], "nothing new"
