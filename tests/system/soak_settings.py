"""What a user who keeps the app open has: a settings file with profiles, edits, an adjusted avatar."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engines import model_info
from realtime.models import STARTER
from reenact.avatar import load_avatar, save_avatar, starter_avatars
from reenact.delta import size
from reenact.edits import Edit, save_edit

PROFILES = """
input = "demo"
backend = "openvino"
threads = 1
edit = {edits}
record-to = "{folder}"
hud = "all"

[profiles.call]
output = ["none", "vcam:/dev/soak"]

[profiles.stream]
output = ["none", "vcam:/dev/soak"]
background = "green"
size = "640x480"
mirror-output = true
avatar = ["{folder}/adjusted.avatar"]
fade = 1.5
smooth = 0.1

[profiles.still]
output = ["none"]
background = "plain"
avatar = ["mei", "{folder}/adjusted.avatar", "daniel"]
auto-neutral = true
fade = 0
gain-mouth = 1.5

[profiles.film]
output = ["none", "{folder}/film.mp4"]
size = "512"
relative = true
mirror-driver = true
person = "somebody"
"""
WINDOW = """
[profiles.window]
output = ["none", "window", "vcam:/dev/soak"]
mirror-preview = true
calibrate = true
"""


def write_settings(folder: Path, window: bool) -> tuple[Path, list[str]]:
    """Write all of it into a folder; the settings file, and the names of its profiles."""
    profiles = ["call", "stream", "still", "film"] + ["window"] * window
    _adjusted_avatar(folder)
    text = PROFILES + (WINDOW if window else "")
    file = folder / "settings.toml"
    file.write_text(text.format(edits=_edits(folder), folder=folder))
    return file, profiles


def _adjusted_avatar(folder: Path) -> None:
    """An avatar with a little noise in the generator's weights: an engine of its own."""
    avatar = load_avatar(starter_avatars()["ada"])
    numbers = size(model_info(STARTER).dims)
    delta = np.random.default_rng(0).normal(0, 0.02, numbers).astype(np.float16)
    save_avatar(replace(avatar, name="adjusted", delta=delta), folder / "adjusted.avatar")


def _edits(folder: Path) -> list[str]:
    """Three edits of the starter's: small random directions, which are as good as any here."""
    avatar = load_avatar(starter_avatars()["ada"])
    words, chance = [], np.random.default_rng(0)
    for name in ("one", "two", "three"):
        styles = chance.normal(0, 0.05, avatar.styles.shape).astype(np.float32)
        path = folder / f"{name}.edit"
        limits = np.array([-1, 1], np.float32)
        save_edit(Edit(name, styles, limits, avatar.fingerprint, "CC0-1.0"), path)
        words.append(f"{path}=0")
    return words
