"""`reenact avatar`: portraits become avatars; the user's avatars are listed, shown, passed on."""

import argparse
import datetime
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from reenact import library
from reenact.avatar import Avatar, find_avatar, load_avatar, starter_avatars, user_avatars
from reenact.errors import UserError
from reenact.face import Box, Image, cut, window_of_box
from reenact.likeness import CLOSE, Likeness, measure
from reenact.motion_basis import FILE
from reenact.pictures import read_picture, write_picture
from reenact.portrait import check_face, find_faces, numbered, parse_box
from reenact.portrait_model import STARTER, PortraitModel, info_of
from reenact.preview import preview

WHOSE = (
    "Only your own face may become an avatar, that of somebody who agreed, or one that needs "
    "nobody's leave (an old painting, a statue, a person who does not exist)."
)
CONFIRMED = "Its maker confirmed: their own face, or its owner agreed, or nobody has to."
NO_LICENCE = "Not stated: ask its maker before you pass it on."


def add(arguments: argparse.Namespace) -> None:
    """Make an avatar of a photo and keep it."""
    photo: Path = arguments.photo
    name = arguments.name or library.name_of(photo)
    _check_flags(name, arguments)
    image = read_picture(photo)
    face = _chosen_face(image, photo, arguments)
    check_face(face, image, photo)
    consent = _consent(arguments.consent)
    with Console(stderr=True).status("loading the model"):
        model = PortraitModel(arguments.model)
    avatar, crop = encode(model, image, face, name, arguments.licence, consent)
    found, shown = measure(model, avatar, crop), preview(model, avatar, crop)
    words = f"likeness   {in_words(found)}"
    if arguments.adjust:
        avatar = adjusted(model, avatar, crop)
        after = measure(model, avatar, crop)
        shown = np.concatenate([shown, preview(model, avatar, crop)])
        words = f"likeness   {in_words(after)}\nadjusting  {gain_in_words(found, after)}"
    path = library.keep(avatar)
    write_picture(shown, library.preview_of(path))
    print(f"{name!r} is kept in {path}\npreview    {library.preview_of(path)}\n{words}")
    print(f'try it     python run_live.py --avatar "{name}"')


def _check_flags(name: str, arguments: argparse.Namespace) -> None:
    """Refuse what can be refused before anything is read."""
    library.check_name(name, arguments.force)
    if not arguments.consent and not sys.stdin.isatty():
        raise UserError(f"{WHOSE} Say which it is with --consent, like --consent 'my own face'")
    if arguments.adjust and (find_spec("torch") is None or find_spec("numba") is None):
        raise UserError('--adjust needs PyTorch; run `pip install -e ".[train]"`, or leave it out')


def adjusted(model: PortraitModel, avatar: Avatar, crop: Image) -> Avatar:
    """The avatar with the generator tuned to its portrait crop u8 [R,R,3]; takes minutes."""
    if model.basis is None:
        raise UserError(f"{model.checkpoint.parent} came without {FILE}, which --adjust needs")
    from reenact.adjust import adjust, bank, watched
    from reenact.checkpoint import load_checkpoint

    puppeteer, _ = load_checkpoint(model.checkpoint)
    library.make_folders()
    picture = library.preview_of(Path(f"{avatar.name} adjusting"))
    print(f"adjusting: portrait, now, driven can be watched in {picture}", flush=True)
    try:
        with watched(picture) as listen:
            return adjust(crop, avatar, puppeteer, bank(model.basis.names), listen)
    finally:
        picture.unlink(missing_ok=True)


def encode(
    model: PortraitModel, image: Image, face: Box, name: str, licence: str | None, consent: str
) -> tuple[Avatar, Image]:
    """The avatar of a face in u8 [H,W,3], and the crop u8 [R,R,3] of it; R is the model's."""
    window = window_of_box(face)
    identity = model.identify(cut(image, window, model.portrait_crop))
    avatar = Avatar(
        name=name,
        identity=identity,
        styles=model.styles(identity),
        thumbnail=np.zeros((1, 1, 3), np.uint8),
        fingerprint=model.fingerprint,
        licence=f"Portrait: {licence or NO_LICENCE}\nGenerator: {model.licence}",
        consent=consent,
    )
    drawn = Avatar(**vars(avatar) | {"thumbnail": model.draw(avatar)})
    return drawn, cut(image, window, model.dims.resolution)


def in_words(found: Likeness) -> str:
    """A likeness and what to do about a poor one."""
    numbers = (
        f"PSNR {found.psnr:.1f} dB, SSIM {found.ssim:.2f}, detail {found.detail:.2f}, "
        f"cycle {found.cycle:.2f}"
    )
    advice = ""
    if found.score < CLOSE:
        advice = "; this generator knows few people: --adjust tunes it to one, or bring your own"
    return f"{found.score} of 100, {found.word} ({numbers}){advice}"


def gain_in_words(before: Likeness, after: Likeness) -> str:
    """How much adjusting has gained."""
    return (
        f"made it {after.score} of 100 from {before.score}: PSNR {after.psnr - before.psnr:+.1f} dB, "
        f"SSIM {after.ssim - before.ssim:+.2f}; the preview shows both, adjusted below"
    )


def _chosen_face(image: Image, photo: Path, arguments: argparse.Namespace) -> Box:
    if arguments.box:
        return parse_box(arguments.box)
    faces = find_faces(image)
    if not faces:
        raise UserError(
            f"no face was found in {photo}: give a picture where one looks at the viewer, or say "
            "where it is with --box X,Y,SIZE (left, top and side in pixels, mid-forehead to chin)"
        )
    number: int | None = arguments.which
    if number is None:
        number = 1 if len(faces) == 1 else _ask_which(image, photo, faces)
    if not 1 <= number <= len(faces):
        raise UserError(f"there is no face {number} in {photo}: give --which 1 to {len(faces)}")
    return faces[number - 1]


def _ask_which(image: Image, photo: Path, faces: list[Box]) -> int:
    """Show the faces numbered and ask; where nobody can answer, refuse with the list."""
    picture = Path(f"{photo.stem}_faces.png")
    write_picture(numbered(image, faces), picture)
    places = ", ".join(
        f"{number}: {face.side:.0f} px at {face.cx:.0f},{face.cy:.0f}"
        for number, face in enumerate(faces, 1)
    )
    found = f"{photo} shows {len(faces)} faces ({places}), numbered in {picture}"
    if not sys.stdin.isatty():
        raise UserError(f"{found}: say which with --which N")
    print(found)
    answer = input("which one? ").strip()
    return int(answer) if answer.isdecimal() else 0


def _consent(text: str | None) -> str:
    """The line for the file: the date, and what was said or confirmed."""
    today = datetime.date.today().isoformat()
    if text and text.strip():
        return f"{today}: {text.strip()}"
    print(WHOSE)
    if input("Is that so here? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UserError("no avatar was made: ask the person first")
    return f"{today}: {CONFIRMED}"


def show_list(arguments: argparse.Namespace) -> None:
    """A table of all avatars that can be named."""
    known = [(name, path, "ships") for name, path in starter_avatars().items()]
    known += [(name, path, str(path)) for name, path in user_avatars().items()]
    own = info_of(arguments.model).fingerprint
    rows: list[tuple[str, ...]] = [("NAME", "GENERATOR", "ADJUSTED", "LICENCE", "CONSENT", "WHERE")]
    rows += [_row(name, path, where, own) for name, path, where in known]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _row(name: str, path: Path, where: str, own: str) -> tuple[str, ...]:
    try:
        avatar = load_avatar(path)
    except UserError:
        return name, "damaged", "", "", "", where
    generator = "this model" if avatar.fingerprint == own else avatar.fingerprint[:12]
    adjusted = "no" if avatar.delta is None else "yes"
    return name, generator, adjusted, _first(avatar.licence), _first(avatar.consent), where


def _first(text: str, most: int = 32) -> str:
    """The first words of a text, on one line."""
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 3].rsplit(" ", 1)[0] + " ..."


def show(arguments: argparse.Namespace) -> None:
    """Everything an avatar file says, and its preview."""
    path = find_avatar(arguments.name)
    avatar = load_avatar(path)
    fits = avatar.fingerprint == info_of(arguments.model).fingerprint
    print(f"name       {avatar.name}\nfile       {path}")
    print(f"generator  {avatar.fingerprint[:16]}, {_whose(fits)}")
    print(f"adjusted   {'no' if avatar.delta is None else 'yes'}")
    for key, text in (("licence", avatar.licence), ("consent", avatar.consent)):
        print(f"{key:9}  " + text.replace("\n", "\n" + 11 * " "))
    shown = library.preview_of(path)
    if not shown.is_file() or shown.stat().st_mtime < path.stat().st_mtime:
        library.make_folders()
        drawn = preview(PortraitModel(arguments.model), avatar) if fits else avatar.thumbnail
        write_picture(drawn, shown)
    print(f"preview    {shown}")


def _whose(fits: bool) -> str:
    return "this model's" if fits else "not this model's: it cannot be driven here"


def give_out(arguments: argparse.Namespace) -> None:
    """Copy an avatar to a file."""
    file = library.give_out(arguments.name, arguments.file, arguments.force)
    print(f"written {file}: it holds no pixel of the photo, but a face that can be recognised")


def take_in(arguments: argparse.Namespace) -> None:
    """Copy a file to the user's avatars."""
    avatar, path = library.take_in(arguments.file, arguments.name, arguments.force)
    fits = avatar.fingerprint == info_of(arguments.model).fingerprint
    print(f"{avatar.name!r} is kept in {path}")
    print(f"generator  {avatar.fingerprint[:16]}, {_whose(fits)}")
    print(f"licence    {_first(avatar.licence, 100)}\nconsent    {_first(avatar.consent, 100)}")


def remove(arguments: argparse.Namespace) -> None:
    """Delete one of the user's own."""
    print(f"removed {library.remove(arguments.name)}")


def add_parser(commands: Any) -> None:
    """Add `avatar` and its commands to a command line's sub-parsers."""
    about = "Make avatars of portraits; list, show, remove, pass on."
    avatar = commands.add_parser("avatar", help=about, description=about)
    actions = avatar.add_subparsers(required=True, metavar="COMMAND")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument(
        "--model", type=Path, default=STARTER, metavar="FOLDER", help="default: the starter's"
    )
    force = argparse.ArgumentParser(add_help=False)
    force.add_argument("--force", action="store_true", help="replace what is there")

    def action(name: str, run: Any, about: str, *parents: argparse.ArgumentParser) -> Any:
        sub = actions.add_parser(name, help=about, description=about, parents=parents)
        sub.set_defaults(run=run)
        return sub

    _add_flags(action("add", add, "Make an avatar of the face in a picture.", model, force))
    action("list", show_list, "Table of all avatars.", model)
    sub = action("show", show, "What an avatar file says, and a preview.", model)
    sub.add_argument("name", help="or a file")
    sub = action("export", give_out, "Copy an avatar to a file, to pass it on.", force)
    sub.add_argument("name")
    sub.add_argument("file", type=Path, help="or a folder")
    sub = action("import", take_in, "Check a file and copy it to your avatars.", model, force)
    sub.add_argument("file", type=Path)
    sub.add_argument("--name", help="default: the one it has")
    action("remove", remove, "Delete one of your own avatars.").add_argument("name")


def _add_flags(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("photo", type=Path, help="photograph, painting, statue, drawing")
    sub.add_argument("--name", help="default: the file's")
    sub.add_argument("--consent", metavar="TEXT", help="whose face it is and who agreed")
    sub.add_argument(
        "--adjust", action="store_true", help="tune the generator to it, too: a few minutes"
    )
    sub.add_argument("--licence", metavar="TEXT", help="the terms the portrait may be used under")
    sub.add_argument("--which", type=int, metavar="N", help="which face, where there are several")
    sub.add_argument("--box", metavar="X,Y,SIZE", help="where the face is, if it is not found")
