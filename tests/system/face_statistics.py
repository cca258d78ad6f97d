"""How a picture's face looks, in five numbers, and how such numbers are spread over many pictures."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from reenact.face import Window, cut

Picture = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

STATISTICS = ("luma", "saturation", "contrast", "sharpness", "noise")
_OVAL = slice(0, 468)  # MediaPipe's points without the irises: their hull is the face
_EYES, _MOUTH = (33, 133, 362, 263), (61, 291)
# Immerkaer's mask (1996) sees no plane and no straight edge; white noise of deviation 1 becomes 6.
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
_SMALLER_HALF = 0.3247  # mean of the smaller half of |x|, for a normal x of deviation 1


def statistics(picture: Picture, points: Numbers) -> Numbers:
    """The STATISTICS f64[5] of the face in u8[s,s,3] RGB with MediaPipe's points f64[478,3].

    Mean luma (Rec. 601) and HSV saturation (both 0..255), standard deviation of luma, mean absolute
    Laplacian of luma, and the noise's standard deviation, from the smaller half of the absolute
    responses to Immerkaer's mask: edges and texture in the other half cannot move it.
    """
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    saturation = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)[..., 1]
    face = _region(points, picture.shape[0])
    second = np.abs(cv2.Laplacian(luma, cv2.CV_32F))[face]
    residual = np.sort(np.abs(cv2.filter2D(luma, cv2.CV_32F, _IMMERKAER))[face])
    noise = float(residual[: len(residual) // 2].mean()) / _SMALLER_HALF
    return np.array(
        [luma[face].mean(), saturation[face].mean(), luma[face].std(), second.mean(), noise]
    )


def _region(points: Numbers, size: int) -> npt.NDArray[np.bool_]:
    """The pixels of the face: the hull of the points, drawn in by 4 %, without the background."""
    hull = cv2.convexHull(points[_OVAL, :2].astype(np.float32))
    middle = hull.mean(0)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, np.round(middle + 0.96 * (hull - middle)).astype(np.int32), 1)
    return mask > 0


def to_window(pictures: list[Picture], points: Numbers, size: int) -> tuple[list[Picture], Numbers]:
    """Pictures of a video and their points f64[T,478,3], cut to FFHQ's window of its median face."""
    eyes = np.median(points[:, _EYES, :2].mean(1), 0)
    mouth = np.median(points[:, _MOUTH, :2].mean(1), 0)
    apart = np.median(
        np.linalg.norm(points[:, _EYES[2:], :2].mean(1) - points[:, _EYES[:2], :2].mean(1), axis=-1)
    )
    side = 2 * max(2.0 * float(apart), 1.8 * float(np.linalg.norm(mouth - eyes)))
    centre = eyes + 0.1 * (mouth - eyes)
    window = Window(float(centre[0]), float(centre[1]), side)
    moved = points.copy()
    moved[..., :2] = (points[..., :2] - centre + side / 2) * (size / side)
    return [cut(picture, window, size) for picture in pictures], moved


def percentiles(values: Numbers) -> dict[str, list[float]]:
    """The 5th, 50th and 95th percentile of each of the STATISTICS, of f64[N,5]."""
    found = np.percentile(values, (5, 50, 95), axis=0)
    return {name: np.round(found[:, i], 2).tolist() for i, name in enumerate(STATISTICS)}


def covers(wide: list[float], narrow: list[float]) -> bool:
    """Whether one range between the 5th and the 95th percentile holds another one."""
    return wide[0] <= narrow[0] and narrow[-1] <= wide[-1]


_COLOURS = ((60, 60, 60), (60, 140, 60), (200, 90, 40))  # RGB: real, clean, camera
_BINS, _WIDTH, _HEIGHT = 40, 380, 220


def draw_histograms(groups: Mapping[str, Numbers]) -> Picture:
    """A panel per statistic with the shares of each group (f64[N,5]), u8[h,w,3] RGB."""
    panels = [
        _panel(name, {group: values[:, i] for group, values in groups.items()})
        for i, name in enumerate(STATISTICS)
    ]
    legend = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    for row, (group, values) in enumerate(groups.items()):
        text = f"{group}: {len(values)} frames"
        _write(legend, text, (30, 60 + 36 * row), _COLOURS[row])
    rows = [np.concatenate(panels[:3], 1), np.concatenate([*panels[3:], legend], 1)]
    return np.concatenate(rows)


def _panel(name: str, groups: Mapping[str, Numbers]) -> Picture:
    """Histograms as outlines, over the range that holds 99 % of each group."""
    panel = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    top = max(float(np.percentile(values, 99)) for values in groups.values()) * 1.02
    floor, left, width = _HEIGHT - 30, 15, _WIDTH - 30
    shares = [np.histogram(values, _BINS, (0, top))[0] / len(values) for values in groups.values()]
    highest = max(share.max() for share in shares)
    for share, colour in zip(shares, _COLOURS, strict=False):
        x = left + np.repeat(np.arange(_BINS + 1), 2)[1:-1] * width / _BINS
        y = floor - np.repeat(share, 2) / highest * (_HEIGHT - 65)
        line = np.round(np.column_stack([x, y])).astype(np.int32)
        cv2.polylines(panel, [line], False, colour, 2, cv2.LINE_AA)
    cv2.line(panel, (left, floor), (left + width, floor), (0, 0, 0), 1)
    _write(panel, name, (left, 20), (0, 0, 0))
    for share_of, place in ((0.0, left), (0.5, left + width // 2 - 10), (1.0, left + width - 40)):
        _write(panel, f"{share_of * top:.3g}", (place, _HEIGHT - 10), (0, 0, 0))
    return panel


def _write(
    picture: Picture, text: str, place: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
