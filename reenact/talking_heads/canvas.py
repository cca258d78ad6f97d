"""A wall to paint on, in linear light, in metres."""

import colorsys

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.raster import Floats

Colour = npt.NDArray[np.float64]
Rng = np.random.Generator


def colour(rng: Rng, saturation: float, low: float, high: float) -> Colour:
    """A colour [3] as people furnish: mostly earthy, some blue, a few of any hue."""
    hues = (rng.normal(0.08, 0.035), rng.normal(0.6, 0.06), rng.uniform())
    hue = float(rng.choice(hues, p=(0.62, 0.23, 0.15))) % 1.0
    rgb = colorsys.hsv_to_rgb(hue, saturation * float(rng.uniform()), 1.0)
    return np.array(rgb) * float(rng.uniform(low, high))


class Canvas:
    """Pixels f32[h,w,3]; positions and lengths are metres from the left upper corner.

    Colours are reflectances; what shines is brighter than 1.
    """

    def __init__(self, pixels: Floats, scale: float) -> None:
        """scale: px per metre."""
        self.pixels, self.scale = pixels, scale
        self.width, self.height = pixels.shape[1] / scale, pixels.shape[0] / scale

    def box(self, x: float, y: float, width: float, height: float, paint: Colour) -> None:
        """Fill an upright rectangle."""
        k = self.scale
        rows = slice(max(round(y * k), 0), max(round((y + height) * k), 0))
        columns = slice(max(round(x * k), 0), max(round((x + width) * k), 0))
        self.pixels[rows, columns] = paint

    def polygon(self, points: Colour, paint: Colour) -> None:
        """Fill a polygon [N,2]."""
        corners = np.round(points * self.scale * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], [float(c) for c in paint], shift=4)

    def disc(self, x: float, y: float, radius: float, paint: Colour) -> None:
        """Fill a disc."""
        k = 16 * self.scale
        centre = (round(x * k), round(y * k))
        cv2.circle(self.pixels, centre, round(radius * k), [float(c) for c in paint], -1, 8, 4)

    def glow(self, x: float, y: float, radius: float, light: Colour) -> None:
        """Add light on the wall around a lamp: falls off as 1 / (1 + (d / radius)^2)."""
        h, w = self.pixels.shape[:2]
        dx = (np.arange(w, dtype=np.float32) / self.scale - x) / radius
        dy = (np.arange(h, dtype=np.float32)[:, None] / self.scale - y) / radius
        self.pixels *= 1 + (1 / (1 + dx**2 + dy**2))[..., None] * light.astype(np.float32)

    def soften(self, x: float, y: float, width: float, height: float, sigma: float) -> None:
        """Blur a rectangle: what is seen through it is far away."""
        k = self.scale
        part = self.pixels[
            max(round(y * k), 0) : max(round((y + height) * k), 0),
            max(round(x * k), 0) : max(round((x + width) * k), 0),
        ]
        if part.size:
            part[:] = cv2.GaussianBlur(part, (0, 0), sigma * k)

    def shadow(self, x: float, y: float, width: float, height: float) -> None:
        """Darken what a thing in front of the wall hides from the light."""
        k = self.scale
        x0, y0 = max(int((x - 0.02) * k), 0), max(int((y + 0.01) * k), 0)
        part = self.pixels[
            y0 : max(int((y + height + 0.05) * k), 0), x0 : max(int((x + width + 0.04) * k), 0)
        ]
        part *= 0.7
