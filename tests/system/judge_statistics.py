"""Is the face of a real webcam picture one that the synthetic pictures could have?

Real videos and synthetic frames, clean and through the camera, are measured alike: FFHQ's window at
the same size, and in it the hull of MediaPipe's points.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reenact.errors import UserError
from reenact.talking_heads.clip import render_clip
from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.motion import sample_motion
from tests.system.face_statistics import (
    STATISTICS,
    covers,
    draw_histograms,
    percentiles,
    statistics,
    to_window,
)
from tests.system.judge_mediapipe import Numbers, Pictures, find_points

_FRAMES_PER_VIDEO = 40
_FILMED = 6  # frames filmed, of which the last is measured: a camera blurs over time
_PEOPLE_PER_BATCH = 25


def judge_statistics(
    data: HeadData, media: Path, first: int, count: int, size: int, out: Path
) -> dict[str, Any]:
    """Percentiles of the STATISTICS; writes statistics.npz and statistics.png into `out`."""
    groups = {"real": real_statistics(media, size)}
    groups |= synthetic_statistics(data, first, count, size)
    np.savez(out / "statistics.npz", allow_pickle=False, **groups)
    cv2.imwrite(str(out / "statistics.png"), draw_histograms(groups)[..., ::-1])
    spread = {group: percentiles(values) for group, values in groups.items()}
    covered = {
        name: {g: covers(spread[g][name], spread["real"][name]) for g in ("clean", "camera")}
        for name in STATISTICS
    }
    counts = {group: len(values) for group, values in groups.items()}
    return {"size": size, "frames": counts, "percentiles": spread, "covered": covered}


def real_statistics(media: Path, size: int) -> Numbers:
    """The STATISTICS f64[N,5] of evenly spread frames of every video in MEDIA/drivers."""
    videos = {path.stem: _read(path) for path in sorted((media / "drivers").glob("*.mp4"))}
    if not videos:
        raise UserError(f"There is no video in {media / 'drivers'}; set REENACT_MEDIA.")
    points = find_points(((k, np.stack(v)) for k, v in videos.items()), len(videos))
    rows = []
    for name, pictures in videos.items():
        seen = [t for t in range(len(pictures)) if not np.isnan(points[name][t, 0, 0])]
        if seen:
            cuts, moved = to_window([pictures[t] for t in seen], points[name][seen], size)
            rows += [statistics(*pair) for pair in zip(cuts, moved, strict=True)]
    return np.array(rows)


def _read(path: Path) -> list[Pictures]:
    """Evenly spread frames u8[h,w,3] RGB of a video."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, frame = video.read()
        if not ok:
            break
        frames.append(frame)
    chosen = np.linspace(0, len(frames) - 1, min(_FRAMES_PER_VIDEO, len(frames)))
    return [cv2.cvtColor(frames[round(t)], cv2.COLOR_BGR2RGB) for t in chosen]


def synthetic_statistics(data: HeadData, first: int, count: int, size: int) -> dict[str, Numbers]:
    """The STATISTICS f64[N,5] of one frame per person, "clean" and as the "camera" delivers it."""
    pairs: dict[str, tuple[Pictures, Pictures]] = {}

    def batches() -> Iterator[tuple[str, Pictures]]:
        for start in range(first, first + count, _PEOPLE_PER_BATCH):
            seeds = range(start, min(start + _PEOPLE_PER_BATCH, first + count))
            both = np.stack([filmed_pair(data, seed, size) for seed in seeds])
            pairs[f"{start:06d}"] = both[:, 0], both[:, 1]
            yield f"{start:06d}", both[:, 0]

    found = find_points(batches(), -(-count // _PEOPLE_PER_BATCH))
    groups: dict[str, list[Numbers]] = {"clean": [], "camera": []}
    for key, sides in pairs.items():
        for group, pictures in zip(groups, sides, strict=True):
            for picture, points in zip(pictures, found[key], strict=True):
                if not np.isnan(points[0, 0]):
                    groups[group].append(statistics(picture, points))
    return {group: np.array(rows) for group, rows in groups.items()}


def filmed_pair(data: HeadData, seed: int, size: int) -> Pictures:
    """The last frame of a person's short clip, clean and through the camera, u8[2,s,s,3]."""
    motion = sample_motion(seed, _FILMED)
    clip = render_clip(data, seed, motion, size, seed, filmed_at=25)
    assert clip.camera is not None
    return np.stack([clip.frames[-1], clip.camera[-1]])


def print_statistics(result: dict[str, Any]) -> None:
    """A row per statistic: 5th, 50th, 95th percentile of each group, and what covers the real."""
    groups = list(result["percentiles"])
    print(f"{'':11}" + "".join(f"{g + ' 5/50/95 %':^26}" for g in groups) + "covered by")
    for name in STATISTICS:
        cells = (result["percentiles"][g][name] for g in groups)
        by = [group for group, ok in result["covered"][name].items() if ok]
        print(
            f"{name:11}"
            + "".join("{:8.2f}{:8.2f}{:8.2f}  ".format(*cell) for cell in cells)
            + (" and ".join(by) or "none")
        )
