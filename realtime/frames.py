"""What travels from the input to the puppet."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the driver. Never shown to anybody: see `realtime.puppet.Picture`.

    Attributes:
        image: u8 [H,W,3] RGB.
        captured_s: when it was taken, on the clock of `time.perf_counter`; latency counts from it.
        time_s: when it happened for the one who watches: `captured_s` of a live input, the place in
            the file where every frame is rendered.
        index: 0, 1, ... as the input counts them; a gap is a dropped frame.
    """

    image: Image
    captured_s: float
    time_s: float
    index: int
