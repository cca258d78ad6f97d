"""The test people: nobody else's seeds, rendered once, the same for everybody who measures.

    DIR/portraits   each person in two clips, in a studio and somewhere else, 12 frames half a second apart
    DIR/videos      a few of them in the studio, 48 frames at 25 frames a second

People 2k and 2k+1 make the same motions, so that one can drive the other and the right picture is known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.dataset import Form, Job, Plan, write_dataset
from reenact.train.data import Frames, load_frames

PEOPLE, SPEAKERS = 50, 6
SIZE = 256  # px
FIRST_SEED = 10_000_000  # of people and motions; data sets to train on count from 0
STUDIO = {"background": "plain", "light": "studio"}
PLACES = ("studio", "anywhere")  # the two clips of a person

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Material:
    """Frames of the test people; `rows` say where each is.

    Attributes:
        portraits: all frames of the people.
        rows: intp [P,2,T], the rows of person, place (see PLACES), moment; people 2k and 2k+1 move alike.
        videos: frames that follow one another.
        video_rows: intp [V,T], the rows of speaker and moment; speakers 2k and 2k+1 move alike.
    """

    portraits: Frames
    rows: Rows
    videos: Frames
    video_rows: Rows


def portraits_plan(people: int = PEOPLE, size: int = SIZE) -> Plan:
    """Two clips of each person."""
    jobs = tuple(
        Job(FIRST_SEED + who, FIRST_SEED + who // 2 * len(PLACES) + place, wish)
        for who in range(people)
        for place, wish in enumerate((STUDIO, {}))
    )
    return Plan(jobs, Form(12, size, stride=12, camera=True))


def videos_plan(people: int = SPEAKERS, size: int = SIZE, frames: int = 48) -> Plan:
    """One clip of each of the first few people, in motions of their own."""
    first = FIRST_SEED + 1_000_000
    jobs = tuple(Job(FIRST_SEED + who, first + who // 2, STUDIO) for who in range(people))
    return Plan(jobs, Form(frames, size, camera=True))


def render_material(folder: Path, workers: int, tell: Callable[[str], None]) -> Iterator[int]:
    """Render what is missing of the test people; yields how many clips are done."""
    before = 0
    for name, plan in (("portraits", portraits_plan()), ("videos", videos_plan())):
        for done in write_dataset(plan, folder / name, workers, tell):
            yield before + done
        before += len(plan.jobs)


def load_material(folder: Path) -> Material:
    """Map the test people into memory; UserError where they are missing or unfinished."""
    if not (folder / "portraits").is_dir():
        raise UserError(
            f"there are no test people in {folder}; render them first, in a few minutes: "
            f"`python -m reenact.evaluate people --to {folder}`"
        )
    portraits, videos = load_frames(folder / "portraits"), load_frames(folder / "videos")
    people, speakers = (len(np.unique(frames.person)) for frames in (portraits, videos))
    return Material(
        portraits,
        np.arange(len(portraits)).reshape(people, len(PLACES), -1),
        videos,
        np.arange(len(videos)).reshape(speakers, -1),
    )
