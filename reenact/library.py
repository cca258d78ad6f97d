"""The user's own avatars: one file each in one folder, called like the avatar; previews below it."""

import re
from dataclasses import replace
from pathlib import Path

from reenact.avatar import (
    SUFFIX,
    Avatar,
    find_avatar,
    load_avatar,
    save_avatar,
    starter_avatars,
    user_avatars,
)
from reenact.errors import UserError
from reenact.folders import avatars_folder

_NAME = re.compile(r"[^\W_][\w .'-]{0,58}[\w']|[^\W_]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows allows no file to be called."""


def name_of(path: Path) -> str:
    """A name for the avatar of a photo: its file's, without what names may not hold."""
    words = re.sub(r"[^\w.'-]+|_+", " ", path.stem).strip(" .'-")[:60].strip(" .'-")
    return words if words and _is_name(words) else "portrait"


def check_name(name: str, replacing: bool = False) -> None:
    """Refuse a name that no file can have, that ships, or (unless `replacing`) that is taken.

    Raises:
        UserError: any of these.
    """
    if not _is_name(name):
        raise UserError(
            f"{name!r} cannot be an avatar's name: take up to 60 letters, digits, spaces, . - _ '; "
            "give another with --name"
        )
    if name.casefold() in {other.casefold() for other in starter_avatars()}:
        raise UserError(f"an avatar that ships is called {name!r}: give another name with --name")
    if not replacing and path_of(name).exists():
        raise UserError(
            f"you have an avatar {path_of(name).stem!r} already: give another name with --name, or "
            "replace it with --force"
        )


def path_of(name: str) -> Path:
    """Where the avatar of a name is kept: the file it has in any case, or is to have."""
    taken = {other.casefold(): path for other, path in user_avatars().items()}
    return taken.get(name.casefold(), avatars_folder() / f"{name}{SUFFIX}")


def preview_of(path: Path) -> Path:
    """Where the preview of an avatar file is kept; also of those that are not the user's own."""
    return avatars_folder() / "previews" / f"{path.stem}.png"


def keep(avatar: Avatar) -> Path:
    """Write an avatar to the user's; gives its path. UserError where that fails."""
    path = path_of(avatar.name)
    make_folders()
    save_avatar(avatar, path)
    return path


def make_folders() -> None:
    """Make the folders for avatars and previews; UserError where that fails."""
    previews = preview_of(Path("any")).parent
    try:
        previews.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {previews}: {error.strerror or error}; make it yourself, or "
            "set XDG_DATA_HOME to another place"
        ) from error


def take_in(file: Path, name: str | None, replacing: bool) -> tuple[Avatar, Path]:
    """Copy an avatar file from somebody to the user's, checked and written anew.

    Raises:
        UserError: no avatar, damaged or hostile, or its name cannot be taken.
    """
    avatar = load_avatar(file)
    avatar = replace(avatar, name=name or avatar.name)
    check_name(avatar.name, replacing)
    path = keep(avatar)
    preview_of(path).unlink(missing_ok=True)  # the one that was replaced had another face
    return avatar, path


def give_out(name: str, file: Path, replacing: bool) -> Path:
    """Copy an avatar, one's own or one that ships, to a file or into a folder; gives where.

    Raises:
        UserError: no such avatar, or the file is there already or cannot be written.
    """
    avatar = load_avatar(find_avatar(name))
    if file.is_dir():
        file = file / f"{avatar.name}{SUFFIX}"
    if file.exists() and not replacing:
        raise UserError(f"{file} is there already: name another file, or replace it with --force")
    save_avatar(avatar, file)
    return file


def remove(name: str) -> Path:
    """Delete one of the user's own avatars and its preview; gives its path.

    Raises:
        UserError: it ships, is not there, or cannot be deleted.
    """
    path = path_of(name)
    if not path.is_file():
        ships = name.casefold() in {other.casefold() for other in starter_avatars()}
        why = (
            "it ships with Reenact" if ships else f"you have {', '.join(user_avatars()) or 'none'}"
        )
        raise UserError(f"no avatar {name!r} of yours can be removed: {why}")
    try:
        path.unlink()
        preview_of(path).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot delete {path}: {error.strerror or error}") from error
    return path


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not _RESERVED.fullmatch(name)
