"""How fast people are rendered: on how many processes, at which size."""

import os
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from reenact.talking_heads.camera import film
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import sample_motion
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.studio import Studio
from reenact.talking_heads.workers import worker_pool

FPS = 25


@dataclass(frozen=True)
class PersonTimes:
    """What one person took one process; frames are 25 a second of a motion."""

    make_cpu_s: float  # person, scene, everything before the first frame
    frame_cpu_s: float  # a clean frame with alpha, labels and landmarks
    frame_wall_s: float
    film_cpu_s: float  # the camera's picture of it


@dataclass(frozen=True)
class Row:
    """Medians over people; frames_per_s is the sum of all processes, clean frames alone."""

    size: int
    processes: int
    frames_per_s: float
    frame_cpu_ms: float
    film_cpu_ms: float
    make_cpu_s: float


def measure(
    sizes: Sequence[int], processes: Sequence[int], people: int, frames: int
) -> Iterator[Row]:
    """Every size with every number of processes, which render different people at once."""
    for count in processes:
        with worker_pool(count) as pool:
            for size in sizes:
                calls = [
                    pool.submit(_people, range(k * people, (k + 1) * people), size, frames)
                    for k in range(count)
                ]
                yield _row(size, [call.result() for call in calls])


def _row(size: int, measured: list[list[PersonTimes]]) -> Row:
    def median(name: str, of: list[PersonTimes]) -> float:
        return float(statistics.median(getattr(times, name) for times in of))

    everybody = [times for of_one in measured for times in of_one]
    return Row(
        size,
        len(measured),
        sum(1 / median("frame_wall_s", of_one) for of_one in measured),
        1000 * median("frame_cpu_s", everybody),
        1000 * median("film_cpu_s", everybody),
        median("make_cpu_s", everybody),
    )


def _people(seeds: range, size: int, frames: int) -> list[PersonTimes]:
    data = load_head_data()
    _person(data, seeds[0], size, 2)  # loads what is compiled
    return [_person(data, seed, size, frames) for seed in seeds]


def _person(data: HeadData, seed: int, size: int, count: int) -> PersonTimes:
    motion = sample_motion(seed, count, FPS)
    begun = time.process_time()
    studio = Studio(data, sample_person(data, seed), seed, size)
    made, wall = time.process_time(), time.perf_counter()
    frames, alpha = (
        np.empty((count, size, size, 3), np.uint8),
        np.empty((count, size, size), np.uint8),
    )
    landmarks = np.empty((count, len(LANDMARKS), 2), np.float32)
    for t in range(count):
        posed = studio.rig.pose(motion.units[t], motion.head[t], motion.gaze[t])
        frame = studio.render(posed)
        frames[t], alpha[t], landmarks[t] = frame.rgb, frame.alpha, studio.landmarks(posed)
    rendered, wall = time.process_time(), time.perf_counter() - wall
    film(frames, alpha, landmarks, seed, FPS)
    filmed = time.process_time()
    return PersonTimes(
        made - begun, (rendered - made) / count, wall / count, (filmed - rendered) / count
    )


def machine() -> dict[str, Any]:
    """What the figures depend on; the load average tells whether the machine was idle."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(
                line.split(":")[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor()


def markdown(rows: Sequence[Row]) -> str:
    """The table for docs/benchmarks.md."""
    lines = [
        "| size | processes | frames a second | CPU per clean frame | and for the camera's | a new person |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.size} px | {row.processes} | {row.frames_per_s:.0f} | {row.frame_cpu_ms:.1f} ms |"
        f" {row.film_cpu_ms:.1f} ms | {row.make_cpu_s:.2f} s |"
        for row in rows
    ]
    return "\n".join(lines)
