"""An X server without a screen (Xvfb), and what would be on it."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt


@contextmanager
def screen(width: int, height: int) -> Iterator[tuple[str, Path]]:
    """Run an X server; gives its display's name and the file with its pixels."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24"]
        server = subprocess.Popen(
            [*command, "-fbdir", folder, "-nocursor", "-nolisten", "tcp"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            yield f":{server.stdout.readline().strip()}", Path(folder, "Xvfb_screen0")
        finally:
            server.terminate()
            server.wait()


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """What is on the screen, u8 [H,W,3] RGB, of the X window dump that Xvfb keeps of it."""
    dump = path.read_bytes()
    header = np.frombuffer(dump, ">u4", 25)
    size, width, height, bytes_per_line, colours = header[[0, 4, 5, 12, 19]]
    begin = size + 12 * colours
    rows = np.frombuffer(dump, np.uint8, height * bytes_per_line, begin)
    bgrx = rows.reshape(height, bytes_per_line)[:, : 4 * width].reshape(height, width, 4)
    return np.ascontiguousarray(bgrx[..., 2::-1])
