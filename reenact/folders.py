"""Where this user's files of Reenact are kept, by each system's custom; the folders need not exist."""

import os
import sys
from pathlib import Path


def settings_folder() -> Path:
    """Settings and calibrations."""
    return _folder("XDG_CONFIG_HOME", ".config")


def avatars_folder() -> Path:
    """The user's own avatars."""
    return _folder("XDG_DATA_HOME", ".local/share") / "avatars"


def _folder(variable: str, otherwise: str) -> Path:
    """Windows and macOS have one place for both; elsewhere the XDG base directories."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home)) / "reenact"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "reenact"
    named = os.environ.get(variable)  # to be absolute, by its own specification
    base = Path(named) if named and Path(named).is_absolute() else home / otherwise
    return base / "reenact"
