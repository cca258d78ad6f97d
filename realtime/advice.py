"""What to do about it, on each system: every line that the doctor offers for copying."""

import sys

_LOOPBACK = "sudo modprobe v4l2loopback devices=1 video_nr=10 card_label=Reenact exclusive_caps=1"
_LINUX, _WINDOWS, _MAC = "linux", "win32", "darwin"

_ANYWHERE: dict[str, tuple[str, ...]] = {
    "packages": ("python -m pip install -e .",),
    "opencv": ('python -m pip install --force-reinstall "opencv-python<5"',),
    "starter": ("git checkout -- reenact/starter",),
    "engine": ("python -m pip install --force-reinstall openvino onnxruntime",),
    "backend": ("python run_live.py --backend {backend}",),
    "passport": ("python -m engines check", "python -m engines remove --bad"),
    "settings": ("python run_live.py --show-settings",),
    "calibrate": ("python run_live.py --calibrate",),
    "demo": ("python run_live.py --input demo --output none --seconds 5 --json",),
    "cameras": ("python run_live.py --list-cameras",),
}

_BY_SYSTEM: dict[str, dict[str, tuple[str, ...]]] = {
    "python": {
        _LINUX: ("sudo apt install python3 python3-venv",),
        _WINDOWS: ("winget install Python.Python.3.12",),
        _MAC: ("brew install python@3.12",),
    },
    "nvidia": {
        _LINUX: (
            'python -m pip install -e ".[train,tensorrt-rtx]"',
            "python -m export --to tensorrt-rtx --precision fp16",
        ),
        _WINDOWS: (
            'python -m pip install -e ".[train,tensorrt-rtx]"',
            "python -m export --to tensorrt-rtx --precision fp16",
        ),
        _MAC: (),
    },
    "no camera": {
        _LINUX: ("ls -l /dev/video*", "python run_live.py --list-cameras"),
        _WINDOWS: ("start ms-settings:privacy-webcam", "python run_live.py --list-cameras"),
        _MAC: (
            'open "x-apple.systempreferences:com.apple.preference.security?Privacy_Camera"',
            "python run_live.py --list-cameras",
        ),
    },
    "camera refused": {
        _LINUX: ("sudo usermod -aG video $USER  # then log out and in", "fuser -v /dev/video*"),
        _WINDOWS: ("start ms-settings:privacy-webcam",),
        _MAC: ('open "x-apple.systempreferences:com.apple.preference.security?Privacy_Camera"',),
    },
    "no virtual camera": {
        _LINUX: ("sudo apt install v4l2loopback-dkms", _LOOPBACK),
        _WINDOWS: (
            "winget install OBSProject.OBSStudio",
            "start obs64 --startvirtualcam  # once, in OBS's own folder; then close OBS",
        ),
        _MAC: (
            "brew install --cask obs",
            "open -a OBS --args --startvirtualcam  # once, and allow its extension; then close OBS",
        ),
    },
    "virtual camera anew": {
        _LINUX: ("sudo modprobe -r v4l2loopback", _LOOPBACK),
        _WINDOWS: ("start obs64 --startvirtualcam  # once, in OBS's own folder; then close OBS",),
        _MAC: ("open -a OBS --args --startvirtualcam  # once; then close OBS",),
    },
    "newer loopback": {
        _LINUX: (
            "git clone --branch v0.15.4 https://github.com/v4l2loopback/v4l2loopback",
            "sudo apt remove v4l2loopback-dkms && sudo modprobe -r v4l2loopback",
            "make -C v4l2loopback && sudo make -C v4l2loopback install && sudo depmod",
            _LOOPBACK,
        ),
    },
    "display": {
        _LINUX: ("echo $DISPLAY  # empty: no desktop here", "python run_live.py --output vcam"),
        _WINDOWS: ("python run_live.py --output vcam",),
        _MAC: ("python run_live.py --output vcam",),
    },
    "disk": {
        _LINUX: ("df -h .", "du -xh ~ | sort -h | tail"),
        _WINDOWS: ("start ms-settings:storagesense",),
        _MAC: ("df -h .", "du -xh ~ | sort -h | tail"),
    },
}

TOPICS = (*_ANYWHERE, *_BY_SYSTEM)
"""What there is advice about."""


def advice(topic: str, **words: str) -> tuple[str, ...]:
    """The lines to copy on this system; other Unixes are taken for Linux.

    Raises:
        KeyError: there is no such topic, or a word of it is missing.
    """
    if topic in _ANYWHERE:
        lines = _ANYWHERE[topic]
    else:
        system = sys.platform if sys.platform in (_WINDOWS, _MAC) else _LINUX
        lines = _BY_SYSTEM[topic].get(system, ())
    return tuple(line.format(**words) for line in lines)
