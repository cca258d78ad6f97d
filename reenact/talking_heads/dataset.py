"""Render a training set; the same bytes whatever the number of processes and interruptions."""

import functools
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reenact.errors import UserError
from reenact.talking_heads import shards
from reenact.talking_heads.clip import Clip, render_clip
from reenact.talking_heads.head_data import load_head_data
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import FACTORS, sample_motion
from reenact.talking_heads.surfaces import LABELS
from reenact.talking_heads.workers import worker_pool

FPS = 25  # of motions
SHARD = 32  # clips
_RESERVE = 1.1  # of the disk space that a set seems to need

# Modules that do not change what is rendered.
_TOOLS = ("__main__", "dataset", "shards", "stream", "workers", "sheets", "bench", "measures")


@dataclass(frozen=True)
class Job:
    """One clip; `person` is the seed of the scene and the camera, too."""

    person: int
    motion: int
    wish: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """What all clips have in common: every `stride`-th frame of a 25 frames/s motion."""

    frames: int  # per clip
    size: int  # side of a picture, px
    stride: int = 1
    camera: bool = False  # whether the clips are filmed, too

    @property
    def fps(self) -> float:
        """Frames per second of the clips."""
        return FPS / self.stride


@dataclass(frozen=True)
class Plan:
    """What to render."""

    jobs: tuple[Job, ...]
    form: Form


def random_people(
    people: int, form: Form, *, first_seed: int = 0, first_motion: int = 0, plain: bool = False
) -> Plan:
    """People with consecutive seeds; people 2k and 2k+1 share a motion, to be paired by frame."""
    wish = {"background": "plain"} if plain else {}
    jobs = tuple(Job(first_seed + k, first_motion + k // 2, wish) for k in range(people))
    return Plan(jobs, form)


def designed_people(
    file: Path, motions: int, form: Form, *, first_motion: int = 0, plain: bool = False
) -> Plan:
    """The people of a JSON file, a list of wishes with a "seed" each, all in the same motions."""
    common = {"background": "plain"} if plain else {}
    jobs: list[Job] = []
    for wish in _read_wishes(file):
        seed = int(wish.pop("seed"))
        for motion in range(motions):
            jobs.append(Job(seed, first_motion + motion, {**common, **wish}))
    return Plan(tuple(jobs), form)


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


def renderer_fingerprint() -> str:
    """Eight hex digits that change with the code that renders: other digits, other pictures."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem not in _TOOLS:
            digest.update(f"{file.stem}\n{file.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()[:8]


def describe(plan: Plan) -> dict[str, Any]:
    """What a data set says of itself in dataset.json, before it is complete."""
    jobs = json.dumps([asdict(job) for job in plan.jobs], sort_keys=True)
    people, motions = ([getattr(j, name) for j in plan.jobs] for name in ("person", "motion"))
    return {
        "format": shards.FORMAT,
        "complete": False,
        "renderer": renderer_fingerprint(),
        "clips": len(plan.jobs),
        "clips per shard": SHARD,
        "shards": -(-len(plan.jobs) // SHARD),
        "frames per clip": plan.form.frames,
        "frames per second": plan.form.fps,
        "size": plan.form.size,
        "pictures": ["frames", *(["camera"] if plan.form.camera else []), "alpha", "labels"],
        "seeds of people": [min(people), max(people)],
        "seeds of motions": [min(motions), max(motions)],
        "plan": hashlib.sha256(jobs.encode()).hexdigest()[:8],
        "factors": list(FACTORS),
        "landmarks": list(LANDMARKS),
        "labels": LABELS,
    }


def write_dataset(
    plan: Plan, folder: Path, workers: int, tell: Callable[[str], None] = print
) -> Iterator[int]:
    """Render the plan into `folder` (see shards.py); yields how many clips are done, as they are.

    Clips that an earlier run finished are kept, so the same call goes on where it was stopped.
    `tell` is told first, from two clips, how much time and disk the rest will take. Raises UserError
    for a folder that holds anything else, and for a disk that is too small.
    """
    _head_data()  # fails here, once, and fills the cache before several processes ask for it
    _open_folder(plan, folder)
    missing = [k for k in range(len(plan.jobs)) if not _is_done(folder, k)]
    kept = len(plan.jobs) - len(missing)
    for done, k in enumerate(_render_all(plan, folder, missing, workers, tell), kept + 1):
        _pack_if_whole(plan, folder, k // SHARD)
        yield done
    for shard in range(-(-len(plan.jobs) // SHARD)):  # a run that was stopped may have left some
        _pack_if_whole(plan, folder, shard)
    shutil.rmtree(_clips(folder), ignore_errors=True)
    _write_description(folder, {**describe(plan), "complete": True})


def _open_folder(plan: Plan, folder: Path) -> None:
    """Make the folder this data set's, or find that it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {file.name for file in folder.iterdir()}
        if "dataset.json" in names:
            _check_same(plan, folder)
        elif names:
            raise UserError(f"{folder} holds other things than a data set; choose another --out.")
        _clips(folder).mkdir(exist_ok=True)
        for part in _clips(folder).glob("*.part"):  # of a run that was killed
            part.unlink()
        for part in folder.glob("*.part"):
            shutil.rmtree(part)
        if not names:
            _write_description(folder, describe(plan))
    except OSError as error:
        raise UserError(f"Cannot write into {folder} ({error}); choose another --out.") from error


def _check_same(plan: Plan, folder: Path) -> None:
    try:
        found = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"{folder / 'dataset.json'} is damaged ({error}); choose another --out."
        ) from error
    asked = describe(plan)
    other = [key for key in asked if found.get(key) != asked[key] and key != "complete"]
    if other:
        raise UserError(
            f"{folder} holds another data set, which differs in: {', '.join(other)};"
            " choose another --out, or give the options that it was begun with."
        )


def _write_description(folder: Path, description: Mapping[str, Any]) -> None:
    shards.write_whole(folder / "dataset.json", json.dumps(description, indent=1).encode())


def _clips(folder: Path) -> Path:
    return folder / "clips"


def _clip_file(folder: Path, k: int) -> Path:
    return _clips(folder) / f"{k:05d}.npz"


def _is_done(folder: Path, k: int) -> bool:
    return shards.shard_folder(folder, k // SHARD).exists() or _clip_file(folder, k).exists()


def _pack_if_whole(plan: Plan, folder: Path, shard: int) -> None:
    files = [_clip_file(folder, k) for k in range(len(plan.jobs)) if k // SHARD == shard]
    target = shards.shard_folder(folder, shard)
    if not target.exists() and all(file.exists() for file in files):
        shards.pack_shard(files, target)


def _render_all(
    plan: Plan, folder: Path, missing: list[int], workers: int, tell: Callable[[str], None]
) -> Iterator[int]:
    """Render clips, in any order; yields each one's number. The first two tell what to expect."""
    try:
        for k in missing[:2]:
            begun = time.perf_counter()
            _render(plan.jobs[k], plan.form, _clip_file(folder, k))
            seconds, size = time.perf_counter() - begun, _clip_file(folder, k).stat().st_size
            yield k
        rest = missing[2:]
        if rest:
            _forecast(folder, len(rest), size * len(rest), seconds * len(rest) / workers, tell)
        if workers == 1:
            for k in rest:
                _render(plan.jobs[k], plan.form, _clip_file(folder, k))
                yield k
        elif rest:
            yield from _render_in_parallel(plan, folder, rest, workers)
    except OSError as error:
        raise UserError(
            f"Cannot write into {folder} ({error}); the same command goes on once it can."
        ) from error
    except BrokenProcessPool as error:
        raise UserError(
            "A process that renders was killed, perhaps for lack of memory;"
            " the same command with fewer --workers goes on."
        ) from error


def _forecast(
    folder: Path, clips: int, size: int, seconds: float, tell: Callable[[str], None]
) -> None:
    free = shutil.disk_usage(folder).free
    tell(
        f"{clips} clips to come: about {size / 1e9:.2f} GB and {seconds / 60:.0f} minutes;"
        f" {free / 1e9:.0f} GB are free"
    )
    if size * _RESERVE > free:
        raise UserError(
            f"{clips} more clips take about {size / 1e9:.1f} GB and {folder} has"
            f" {free / 1e9:.1f} GB free; choose another --out or fewer --people."
        )


def _render_in_parallel(
    plan: Plan, folder: Path, missing: list[int], workers: int
) -> Iterator[int]:
    pool = worker_pool(workers)
    try:
        numbers = {
            pool.submit(_render, plan.jobs[k], plan.form, _clip_file(folder, k)): k for k in missing
        }
        for future in as_completed(numbers):
            future.result()
            yield numbers[future]
    finally:
        pool.shutdown(cancel_futures=True)  # clips in the making are finished


def _render(job: Job, form: Form, file: Path) -> None:
    shards.save_clip(file, render_job(job, form), job.person, job.motion)


def render_job(job: Job, form: Form) -> Clip:
    """Render one clip."""
    motion = sample_motion(job.motion, form.frames, FPS, form.stride)
    return render_clip(
        _head_data(),
        job.person,
        motion,
        form.size,
        job.person,
        job.wish,
        filmed_at=form.fps if form.camera else None,
    )


_head_data = functools.cache(load_head_data)  # once in each process
