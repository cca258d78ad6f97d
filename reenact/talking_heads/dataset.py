"""Render a training set into .npy files; the same result whatever the number of processes."""

import json
import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.clip import Clip, render_clip
from reenact.talking_heads.head_data import load_head_data
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import factors, neutral_motion, sample_motion


@dataclass(frozen=True)
class Job:
    """One clip: rows start .. start + frames of the data set."""

    start: int
    person: int
    motion: int
    wish: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to render: `frames` pictures per clip, every `stride`-th of a 25 frames/s motion."""

    jobs: tuple[Job, ...]
    frames: int
    size: int
    stride: int = 1


def random_people(
    people: int,
    frames: int,
    size: int,
    *,
    first_seed: int = 0,
    first_motion: int = 0,
    stride: int = 1,
    plain: bool = False,
) -> Plan:
    """People with consecutive seeds; people 2k and 2k+1 share a motion, to be paired by frame."""
    wish = {"background": "plain"} if plain else {}
    jobs = tuple(
        Job(k * frames, first_seed + k, first_motion + k // 2, wish) for k in range(people)
    )
    return Plan(jobs, frames, size, stride)


def designed_people(
    file: Path,
    motions: int,
    frames: int,
    size: int,
    *,
    first_motion: int = 0,
    stride: int = 1,
    plain: bool = False,
) -> Plan:
    """The people of a JSON file, a list of wishes with a "seed" each, all in the same motions."""
    common = {"background": "plain"} if plain else {}
    jobs: list[Job] = []
    for wish in _read_wishes(file):
        seed = int(wish.pop("seed"))
        for motion in range(motions):
            jobs.append(Job(len(jobs) * frames, seed, first_motion + motion, {**common, **wish}))
    return Plan(tuple(jobs), frames, size, stride)


def _read_wishes(file: Path) -> list[dict[str, Any]]:
    try:
        wishes = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot read the wishes in {file} ({error}); give a JSON list of objects."
        ) from error
    if not isinstance(wishes, list) or not all(isinstance(w, dict) and "seed" in w for w in wishes):
        raise UserError(f'{file} must hold a JSON list of objects with a "seed" each; see --help.')
    return wishes


def write_dataset(plan: Plan, folder: Path, workers: int) -> Iterator[int]:
    """Render the plan into `folder`; yields how many clips are done, after each of them.

    Writes frames u8[N,S,S,3], labels u8[N,S,S], factors f32[N,F], landmarks f32[N,L,2] and the
    seeds person i32[N] and motion i32[N], each as NAME.npy; frames of a clip stand in order of time.
    """
    load_head_data()  # fails here, once, and fills the cache before several processes ask for it
    folder.mkdir(parents=True, exist_ok=True)
    count, size = len(plan.jobs) * plan.frames, plan.size
    shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "frames": ((count, size, size, 3), np.uint8),
        "labels": ((count, size, size), np.uint8),
        "factors": ((count, factors(neutral_motion(1)).shape[1]), np.float32),
        "landmarks": ((count, len(LANDMARKS), 2), np.float32),
        "person": ((count,), np.int32),
        "motion": ((count,), np.int32),
    }
    for name, (shape, dtype) in shapes.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape).flush()
    tasks = [(job, plan, folder) for job in plan.jobs]
    if workers <= 1:
        for done, task in enumerate(tasks, 1):
            _render(task)
            yield done
        return
    with multiprocessing.get_context("spawn").Pool(workers, cv2.setNumThreads, (1,)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_render, tasks), 1):
            yield done


def _render(task: tuple[Job, Plan, Path]) -> None:
    """Render one clip into its rows of the files."""
    job, plan, folder = task
    motion = sample_motion(job.motion, plan.frames, stride=plan.stride)
    clip: Clip = render_clip(load_head_data(), job.person, motion, plan.size, job.person, job.wish)
    rows: dict[str, npt.ArrayLike] = {
        "frames": clip.frames,
        "labels": clip.labels,
        "factors": clip.factors,
        "landmarks": clip.landmarks,
        "person": job.person,
        "motion": job.motion,
    }
    for name, values in rows.items():
        file = np.load(folder / f"{name}.npy", mmap_mode="r+")
        file[job.start : job.start + plan.frames] = values
        file.flush()
