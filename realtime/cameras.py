"""What an input is: a camera by index, name or path, a stream, a file, a folder, or the demo."""

import re
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import reenact
from reenact.errors import UserError

DEMO = Path(reenact.__file__).parent / "starter" / "demo.mp4"
OFFER = "or try `python run_live.py --input demo`"

_DEV, _SYSFS = Path("/dev"), Path("/sys/class/video4linux")
_URLS = ("rtsp://", "http://", "https://", "udp://")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
OWN = "Reenact"
"""How the name of our own virtual camera begins (README, "Virtual camera"): never an input."""


@dataclass(frozen=True)
class Input:
    """What `--input` means.

    Attributes:
        kind: what it is; a "picture" is a video of one frame, the "demo" begins again at its end, a
            "folder" holds the pictures of a video, a "stream" comes over a network.
        label: as the user may read it.
        path: of the file or folder or, on Linux, of the camera's device; None for others.
        index: of a camera where those have no paths.
        name: of a camera, as its driver says; it finds the camera again under another number.
        url: of a stream.
    """

    kind: Literal["camera", "stream", "video", "folder", "picture", "demo"]
    label: str
    path: Path | None
    index: int = 0
    name: str = ""
    url: str = ""

    @property
    def live(self) -> bool:
        """Whether it sets its own pace."""
        return self.kind in ("camera", "stream")


def find_input(text: str) -> Input:
    """Understand `--input`: "demo", an index, a path of a device, a file, or a camera's name.

    Raises:
        UserError: there is no such thing; the sentence says what there is.
    """
    if text == "demo":
        return Input("demo", "demo", DEMO)
    if text.lower().startswith(_URLS):
        return Input("stream", re.sub("//[^/@]*@", "//", text), None, url=text)  # no password
    if text.isdecimal():
        if sys.platform != "linux":
            return Input("camera", f"camera {text}", None, int(text))
        return _device(_DEV / f"video{text}", text)
    if text.startswith("/dev/"):
        return _device(Path(text), text)
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _by_name(text)
    except OSError as error:  # forbidden, or too long for a name
        raise UserError(f"cannot read {text}: {error.strerror}; name another, {OFFER}") from error
    if stat.S_ISDIR(mode):
        return _folder(path)
    return Input("picture" if path.suffix.lower() in PICTURES else "video", path.name, path)


def find_again(what: Input) -> Input:
    """The same camera, under another number if it was plugged in elsewhere.

    Raises:
        UserError: it is not there.
    """
    if what.path is None or not what.name:
        return what
    names = camera_names()
    if names.get(what.path) == what.name:
        return what
    for path, name in names.items():
        if name == what.name:
            return _device(path, str(path))
    raise UserError(f"the camera {what.name} is not connected")


def _device(path: Path, text: str) -> Input:
    if not path.exists():
        raise UserError(f"there is no camera {text} (no {path}); {_what_there_is()}")
    name = camera_names().get(path, "")
    if name.startswith(OWN):
        raise UserError(
            f"{path} is the virtual camera that Reenact itself writes to; {_what_there_is()}"
        )
    return Input("camera", str(path), path, name=name)


def _folder(path: Path) -> Input:
    if not any(file.suffix.lower() in PICTURES for file in path.iterdir()):
        raise UserError(f"the folder {path} holds no pictures: name one that does, {OFFER}")
    return Input("folder", path.name, path)


def camera_names() -> dict[Path, str]:
    """The V4L2 devices of this machine by path, each with its name."""
    places = sorted(_SYSFS.glob("video*"), key=lambda place: (len(place.name), place.name))
    return {_DEV / place.name: (place / "name").read_text().strip() for place in places}


def _by_name(text: str) -> Input:
    wanted = text.casefold()
    every = camera_names()
    names = {p: name.casefold() for p, name in every.items() if not name.startswith(OWN)}
    found = [path for path, name in names.items() if name == wanted]
    found = found or [path for path, name in names.items() if wanted in name]
    if not found:
        raise UserError(f"there is no file and no camera called {text!r}; {_what_there_is()}")
    return Input("camera", f"{text} ({found[0]})", found[0], name=every[found[0]])


def _what_there_is() -> str:
    found = {path: name for path, name in camera_names().items() if not name.startswith(OWN)}
    cameras = ", ".join(f"{path} ({name})" for path, name in found.items())
    if cameras:
        return f"there are {cameras}: use --input with one of these, {OFFER}"
    return f"no camera is connected to this machine: connect one, {OFFER}"


def same_file(path: Path, other: Path | None) -> bool:
    """Whether two paths lead to one file or device."""
    if other is None:
        return False
    with suppress(OSError):
        return path.samefile(other)
    return path.absolute() == other.absolute()
