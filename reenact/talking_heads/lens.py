"""Geometry and blur of a cheap lens: distortion, coloured edges, vignetting, focus, motion.

Pictures are f32[h,w,3] in linear light unless something else is said.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.raster import Bytes, Floats, compiled

_MOST_TAPS = 32


def radius_squared(height: int, width: int) -> Floats:
    """Squared distance from the middle, f32[h,w], 1 in the corners."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    return np.asarray(0.5 * (x**2 + y[:, None] ** 2), np.float32)


Maps = list[tuple[Floats, Floats]]


def refraction(height: int, width: int, distortion: float, aberration: float) -> Maps:
    """Where red, green and blue look in the undistorted picture: (x, y) f32[h,w] px each.

    r' = r (1 + distortion r^2) (Brown 1966, one term; > 0 is a barrel), r = 1 in the corners; red is
    magnified by 1 + aberration, blue by 1 - aberration.
    """
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    y, x = np.mgrid[0:height, 0:width]
    bent = 1 + distortion * (radius_squared(height, width) - 0.5)
    return [
        (
            np.asarray(middle_x + (x - middle_x) * bent / scale, np.float32),
            np.asarray(middle_y + (y - middle_y) * bent / scale, np.float32),
        )
        for scale in (1 + aberration, 1.0, 1 - aberration)
    ]


def refract(picture: Bytes, maps: Maps) -> Bytes:
    """Look at a u8 picture through the maps of `refraction`."""
    planes = [
        cv2.remap(picture[..., c], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for c, (x, y) in enumerate(maps)
    ]
    return np.asarray(cv2.merge(planes), np.uint8)


def defocus(picture: Floats, sigma: float, magnified: float = 1.0) -> Floats:
    """Blur by sigma px; magnified: breathing, a lens out of focus shows things larger or smaller."""
    if magnified != 1.0:
        h, w = picture.shape[:2]
        turn = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), 0, magnified)
        picture = np.asarray(
            cv2.warpAffine(picture, turn, (w, h), borderMode=cv2.BORDER_REFLECT), np.float32
        )
    if sigma < 0.15:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def head_motion(landmarks: Floats, t: int) -> tuple[complex, complex, complex]:
    """(centre, velocity, growth): the head's motion in frame t as one similarity, px per frame.

    A landmark z = x + iy moves by velocity + growth (z - centre): least squares over all landmarks
    f32[T,L,2], of the difference between the frames before and after.
    """
    z = landmarks[..., 0].astype(np.float64) + 1j * landmarks[..., 1]
    before, after = max(t - 1, 0), min(t + 1, len(z) - 1)
    centre = complex(z[t].mean())
    if before == after:
        return centre, 0j, 0j
    moved = (z[after] - z[before]) / (after - before)
    velocity = complex(moved.mean())
    arm = z[t] - centre
    growth = complex((np.conj(arm) * (moved - velocity)).sum() / ((abs(arm) ** 2).sum() + 1e-9))
    return centre, velocity, growth


def head_flow(alpha: Bytes, motion: tuple[complex, complex, complex], share: float) -> Floats:
    """How far each pixel of the person moves while the shutter is open, f32[h,w,2] px.

    alpha: u8[h,w]; share: of a frame's time that the shutter is open. The head moves as one;
    further down (the body) things rest.
    """
    height, width = alpha.shape
    centre, velocity, growth = motion
    reach = 2 * int(abs(velocity) * share) + 3
    mask = cv2.GaussianBlur(
        cv2.dilate(alpha, np.ones((reach, reach), np.uint8)), (0, 0), 0.02 * width
    )
    x = np.arange(width, dtype=np.float32) - centre.real
    y = np.arange(height, dtype=np.float32)[:, None] - centre.imag
    body = 1 / (1 + np.exp((y / height - 0.38) * 24))
    weight = mask * (share / 255) * body.astype(np.float32)
    across = velocity.real + growth.real * x - growth.imag * y
    down = velocity.imag + growth.imag * x + growth.real * y
    return np.asarray(np.stack([weight * across, weight * down], -1), np.float32)


@compiled
def smear(picture: Floats, flow: Floats, out: npt.NDArray[np.float32]) -> None:
    """out f32[h,w,3] = the mean of the picture along each pixel's flow f32[h,w,2], centred."""
    height, width, _ = picture.shape
    for y in range(height):
        for x in range(width):
            dx, dy = flow[y, x, 0], flow[y, x, 1]
            taps = min(int(math.sqrt(dx * dx + dy * dy) * 1.5) + 1, _MOST_TAPS)
            red = green = blue = 0.0
            for tap in range(taps):
                u = (tap + 0.5) / taps - 0.5
                fx = min(max(x + u * dx, 0.0), width - 1.001)
                fy = min(max(y + u * dy, 0.0), height - 1.001)
                i, j = int(fx), int(fy)
                fx -= i
                fy -= j
                a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                p, q = picture[j, i], picture[j, i + 1]
                r, s = picture[j + 1, i], picture[j + 1, i + 1]
                red += a * p[0] + b * q[0] + c * r[0] + d * s[0]
                green += a * p[1] + b * q[1] + c * r[1] + d * s[1]
                blue += a * p[2] + b * q[2] + c * r[2] + d * s[2]
            out[y, x, 0] = red / taps
            out[y, x, 1] = green / taps
            out[y, x, 2] = blue / taps
