"""What ships: small enough, complete, and alive."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import reenact.starter
from engines import load_engine, model_info
from realtime.app import Options, run
from reenact.avatar import check_fits, load_avatar, starter_avatars
from reenact.face import FaceFinder
from reenact.spaces import style_count

STARTER = Path(reenact.starter.__file__).parent
NAMES = sorted(starter_avatars())
Video = npt.NDArray[np.uint8]


def test_weights_and_graphs_stay_under_40_mb() -> None:
    files = [*STARTER.glob("*.onnx"), *STARTER.glob("*.safetensors")]
    assert len(files) == 4
    assert sum(file.stat().st_size for file in files) < 40e6


def test_at_least_eight_avatars_that_differ() -> None:
    pictures = [load_avatar(starter_avatars()[name]).thumbnail.astype(float) for name in NAMES]
    assert len(pictures) >= 8
    for k, one in enumerate(pictures):
        assert all(np.abs(one - other).mean() > 15 for other in pictures[:k])


@pytest.mark.parametrize("name", NAMES)
def test_avatar_at_rest_is_its_thumbnail_and_has_a_face(name: str) -> None:
    avatar, info = load_avatar(starter_avatars()[name]), model_info(STARTER)
    check_fits(avatar, info.fingerprint, style_count(info.dims))
    render = load_engine(STARTER, "render", "onnxruntime", 1)
    picture = render(avatar.styles[None])[0]
    render.close()
    assert np.abs(picture.astype(float) - avatar.thumbnail).mean() < 1.0
    assert FaceFinder().find(picture) is not None
    assert avatar.licence and avatar.consent


def frames(file: Path) -> Video:
    video = cv2.VideoCapture(str(file))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1])
    return np.stack(pictures)


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Video]:
    """Two avatars, driven by the same five seconds of the demo driver."""
    folder, videos = tmp_path_factory.mktemp("driven"), {}
    for name in NAMES[:2]:
        file = folder / f"{name}.mp4"
        show = Options(
            "demo", [str(file)], [name], backend="onnxruntime", max_frames=150, every_frame=True
        )
        report = run(show, lambda line: None)
        assert report["frames"] == 150
        videos[name] = frames(file)
    return videos


def test_avatars_move(driven: dict[str, Video]) -> None:
    for video in driven.values():
        change = np.abs(video[10:].astype(float) - video[:-10]).mean((1, 2, 3))
        assert np.median(change) > 2


def test_identity_stays_while_the_face_moves(driven: dict[str, Video]) -> None:
    one, other = (video.astype(float).mean(0) for video in driven.values())
    first, _ = driven.values()
    halves = [first[:75].astype(float).mean(0), first[75:].astype(float).mean(0)]
    assert np.abs(halves[0] - halves[1]).mean() < 0.25 * np.abs(one - other).mean()
