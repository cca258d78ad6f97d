"""Clips that are rendered while somebody trains on them: a replay buffer in shared memory.

    with Stream(Form(frames=12, size=192, stride=12, camera=True), seed=1) as stream:
        while training:
            batch = stream.draw(16)     # 16 pairs of people in the same motion, one frame of each

Processes render pair after pair into the buffer; `draw` picks among those that are in it. What is
drawn depends on the seed and on the draws before alone, not on which process is faster: pairs enter
the buffer in the order of their numbers, and whoever draws waits for the pair whose turn it is.
"""

import shutil
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.dataset import Form, Job, render_job
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.motion import FACTORS
from reenact.talking_heads.raster import Bytes, Floats
from reenact.talking_heads.workers import worker_pool

Record = np.ndarray[Any, np.dtype[np.void]]


@dataclass(frozen=True)
class Batch:
    """n pairs of clips, m frames of each in order of time; both of a pair do the same.

    frames u8[n,2,m,s,s,3], camera likewise (None where nothing is filmed), alpha and labels
    u8[n,2,m,s,s], factors f32[n,2,m,F], landmarks f32[n,2,m,L,2] in pixels, person i64[n,2] (seeds).
    """

    frames: Bytes
    camera: Bytes | None
    alpha: Bytes
    labels: Bytes
    factors: Floats
    landmarks: Floats
    person: npt.NDArray[np.int64]


@dataclass
class _Pair:
    """A pair in the buffer."""

    slot: int
    uses: int  # how often it may still be drawn


def pair_jobs(seed: int, number: int) -> tuple[Job, Job]:
    """The two people of a stream's pair, and their motion: these follow from seed and number."""
    first, second, motion = np.random.default_rng([seed, number]).integers(2**31, size=3).tolist()
    return Job(first, motion, {}), Job(second, motion, {})


class Stream:
    """Renders in the background; use it in a `with`, which ends its processes however it is left."""

    def __init__(
        self, form: Form, *, seed: int = 0, pairs: int = 32, uses: int = 24, workers: int = 1
    ) -> None:
        """pairs: how many the buffer holds to draw from; uses: how often each is drawn at most.

        Raises UserError where there is too little shared memory.
        """
        self._form, self._seed, self._pairs, self._uses = form, seed, pairs, uses
        self._rng = np.random.default_rng(seed)
        slots = pairs + workers + 1  # so that nobody who renders waits for somebody who draws
        size = slots * _record(form).itemsize + 1
        _check_memory(size)
        self._memory = SharedMemory(create=True, size=size)
        self._buffer, self._stop = _arrays(self._memory, form, slots)
        self._pool = worker_pool(workers, _attach, self._memory.name, form, slots)
        self._free = list(range(slots))
        self._coming: list[tuple[int, Future[None]]] = []  # slots, in the order of their numbers
        self._numbered = 0
        self._shown: list[_Pair | None] = []  # None: used up, to be followed by the next
        self._render_ahead()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop[0] = 1
        self._pool.shutdown(cancel_futures=True)  # waits for the clips in the making
        del self._buffer, self._stop  # the memory cannot be closed while an array looks at it
        self._memory.close()
        self._memory.unlink()

    def draw(self, count: int, frames: int = 1) -> Batch:
        """`count` different pairs and `frames` random moments of each (all of them: whole clips).

        The buffer grows by a pair with every draw until it is full. Waits where the pairs to draw
        from are not rendered yet; raises ValueError for more than the buffer holds, UserError if a
        process was killed.
        """
        if count > self._pairs:
            raise ValueError(f"cannot draw {count} of {self._pairs} pairs")
        self._fill(min(self._pairs, max(count, len(self._shown) + 1)))
        chosen = self._rng.choice(len(self._shown), count, replace=False)
        moments = [
            np.sort(self._rng.choice(self._form.frames, frames, replace=False)) for _ in chosen
        ]
        slots = [self._use(int(k)) for k in chosen]
        arrays: dict[str, Any] = {"camera": None}
        for name in self._buffer.dtype.names or ():
            arrays[name] = np.stack(
                [
                    self._buffer[name][slot] if name == "person" else self._buffer[name][slot][:, t]
                    for slot, t in zip(slots, moments, strict=True)
                ]
            )
        self._render_ahead()
        return Batch(**arrays)

    def ready(self) -> bool:
        """Whether the next pair is rendered, so that drawing it waits for nobody."""
        return bool(self._coming) and self._coming[0][1].done()

    def _fill(self, target: int) -> None:
        """Let rendered pairs take the places of used ones, and new places up to `target`."""
        self._shown += [None] * (target - len(self._shown))
        try:
            for k, pair in enumerate(self._shown):
                if pair is None:
                    slot, rendered = self._coming[0]
                    rendered.result()
                    del self._coming[0]
                    self._shown[k] = _Pair(slot, self._uses)
                    self._render_ahead()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that renders was killed, perhaps for lack of memory: use fewer workers"
            ) from error

    def _use(self, k: int) -> int:
        """Count a use of the k-th pair; its slot, which stays as it is until _render_ahead."""
        pair = self._shown[k]
        assert pair is not None  # _fill saw to it
        pair.uses -= 1
        if pair.uses == 0:
            self._shown[k] = None
            self._free.append(pair.slot)
        return pair.slot

    def _render_ahead(self) -> None:
        """Have a pair rendered into every free slot."""
        while self._free:
            slot = self._free.pop()
            jobs = pair_jobs(self._seed, self._numbered)
            self._coming.append((slot, self._pool.submit(_render, jobs, self._form, slot)))
            self._numbered += 1


def _record(form: Form) -> np.dtype[np.void]:
    """A pair of clips as one record of the buffer."""
    picture = (2, form.frames, form.size, form.size)
    fields: list[tuple[str, type[np.generic], tuple[int, ...]]] = [
        ("frames", np.uint8, (*picture, 3)),
        ("alpha", np.uint8, picture),
        ("labels", np.uint8, picture),
        ("factors", np.float32, (2, form.frames, len(FACTORS))),
        ("landmarks", np.float32, (2, form.frames, len(LANDMARKS), 2)),
        ("person", np.int64, (2,)),
    ]
    if form.camera:
        fields.append(("camera", np.uint8, (*picture, 3)))
    return np.dtype(fields)


def _check_memory(size: int) -> None:
    shared = Path("/dev/shm")  # Linux; elsewhere shared memory is ordinary memory
    if shared.is_dir() and size > (free := shutil.disk_usage(shared).free):
        raise UserError(
            f"the buffer takes {size / 1e6:.0f} MB of shared memory and {shared} has"
            f" {free / 1e6:.0f} MB: use fewer pairs (in a container: docker run --shm-size)"
        )


def _arrays(memory: SharedMemory, form: Form, slots: int) -> tuple[Record, Bytes]:
    """What the memory holds: the pairs, and one byte that tells those who render to stop."""
    record = _record(form)
    stop: Bytes = np.ndarray(1, np.uint8, memory.buf, slots * record.itemsize)
    return np.ndarray(slots, record, memory.buf), stop


_attached: list[tuple[SharedMemory, Record, Bytes]] = []  # of a process that renders


def _attach(name: str, form: Form, slots: int) -> None:
    memory = SharedMemory(name)
    _attached.append((memory, *_arrays(memory, form, slots)))


def _render(jobs: tuple[Job, Job], form: Form, slot: int) -> None:
    _, buffer, stop = _attached[0]
    for side, job in enumerate(jobs):
        if stop[0]:  # nobody wants it any more
            return
        clip = render_job(job, form)
        for name in buffer.dtype.names or ():
            buffer[name][slot, side] = job.person if name == "person" else getattr(clip, name)
