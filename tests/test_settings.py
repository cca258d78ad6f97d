"""Flag > environment > profile > file > default, each with its source, and typos named."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

import run_live
from realtime.settings import add_flags, default_file, resolve, table
from reenact.errors import CommandLine, UserError

ROOT = Path(run_live.__file__).parent


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    flags = CommandLine("app")
    flags.add_argument("--smooth", type=float, default=0.5)
    flags.add_argument("--avatar")
    flags.add_argument("--output", action="append")
    flags.add_argument("--every-frame", action="store_true")
    flags.add_argument("--list-avatars", action="store_true")
    add_flags(flags)
    return flags


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(
        'smooth = 0.1\navatar = "ada"\nevery-frame = true\noutput = ["vcam", "window"]\n'
        '[profiles.stream]\nsmooth = 0.2\navatar = "mei"\n[profiles.call]\nsmooth = 1\n'
    )
    return path


LAYERS = ("default", "file", "profile stream", "environment", "flag")


@pytest.mark.parametrize("highest", range(5))
def test_each_layer_wins_over_those_below(
    parser: argparse.ArgumentParser, file: Path, highest: int
) -> None:
    words, environment = [], {}
    if highest >= 1:
        words += ["--settings", str(file)]
    if highest >= 2:
        words += ["--profile", "stream"]
    if highest >= 3:
        environment["REENACT_SMOOTH"] = "0.3"
    if highest >= 4:
        words += ["--smooth", "0.4"]
    words = words or ["--settings", os.devnull]
    setting = resolve(parser, words, environment)["smooth"]
    assert setting.value == (0.5, 0.1, 0.2, 0.3, 0.4)[highest]
    assert setting.source == LAYERS[highest]


@pytest.mark.parametrize("places", range(16))
def test_a_layer_that_says_nothing_lets_those_below_through(
    parser: argparse.ArgumentParser, file: Path, places: int
) -> None:
    in_file, in_profile, in_environment, as_flag = (bool(places & 1 << k) for k in range(4))
    file.write_text(
        ("smooth = 0.1\n" if in_file else "")
        + "[profiles.stream]\n"
        + ("smooth = 0.2\n" if in_profile else "")
    )
    words = ["--settings", str(file), "--profile", "stream"]
    words += ["--smooth", "0.4"] if as_flag else []
    setting = resolve(parser, words, {"REENACT_SMOOTH": "0.3"} if in_environment else {})["smooth"]
    highest = places.bit_length()
    assert setting.value == (0.5, 0.1, 0.2, 0.3, 0.4)[highest]
    assert setting.source == LAYERS[highest]


def test_types_are_the_flags(parser: argparse.ArgumentParser, file: Path) -> None:
    words = ["--settings", str(file), "--profile", "call"]
    settings = resolve(parser, words, {"REENACT_OUTPUT": "a.mp4,none"})
    assert type(settings["smooth"].value) is float and settings["smooth"].value == 1.0
    assert settings["every-frame"].value is True
    assert settings["output"].value == ["a.mp4", "none"]
    assert resolve(parser, words, {})["output"].value == ["vcam", "window"]
    assert resolve(parser, words, {"REENACT_EVERY_FRAME": "0"})["every-frame"].value is False


def test_the_file_and_the_environment_may_name_the_profile(
    parser: argparse.ArgumentParser, file: Path
) -> None:
    file.write_text('profile = "call"\n' + file.read_text())
    words = ["--settings", str(file)]
    assert resolve(parser, words, {})["smooth"].source == "profile call"
    by_environment = resolve(parser, words, {"REENACT_PROFILE": "stream"})
    assert by_environment["smooth"].source == "profile stream"


def test_the_default_file_is_read_if_it_is_there(
    parser: argparse.ArgumentParser, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent))
    assert resolve(parser, [], {})["smooth"].source == "default"
    (file.parent / "reenact").mkdir()
    file.rename(default_file())
    assert resolve(parser, [], {})["smooth"].value == 0.1


def test_parsing_leaves_the_parser_as_it_was(parser: argparse.ArgumentParser, file: Path) -> None:
    resolve(parser, ["--settings", str(file)], {})
    assert parser.parse_args([]).smooth == 0.5


BAD = {
    "typo in the file": ("smoth = 1", {}, "did you mean smooth"),
    "typo in a profile": ("[profiles.a]\navatr = 'x'", {}, "profile a has.*did you mean avatar"),
    "wrong type": ('smooth = "much"', {}, "smooth in the settings file is 'much': give float"),
    "a list for one value": ("smooth = [1, 2]", {}, "give float"),
    "text for yes or no": ('every-frame = "yes"', {}, "give true or false"),
    "number in the environment": ("", {"REENACT_SMOOTH": "x"}, "REENACT_SMOOTH is 'x'"),
    "yes or no in the environment": ("", {"REENACT_EVERY_FRAME": "si"}, "true or false"),
    "typo in the environment": ("", {"REENACT_SMOTH": "1"}, "did you mean REENACT_SMOOTH?"),
    "no TOML": ("smooth 1", {}, "is no TOML"),
    "profile that there is not": ("[profiles.call]", {"REENACT_PROFILE": "cal"}, "mean call"),
    "profile that is no name": (
        "profile = 3",
        {},
        "profile in the settings file is 3: give the name",
    ),
    "profiles that are no tables": ("profiles = 3", {}, "must hold tables"),
    "an order, not a setting": ("list-avatars = true", {}, "that there is not"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_one_sentence(
    case: str, parser: argparse.ArgumentParser, tmp_path: Path
) -> None:
    text, environment, words = BAD[case]
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        resolve(parser, ["--settings", str(tmp_path / "s.toml")], environment)


def test_a_file_of_notepads_is_read(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("smooth = 0.2", encoding="utf-8-sig")
    assert resolve(parser, ["--settings", str(tmp_path / "s.toml")], {})["smooth"].value == 0.2


def test_other_programs_variables_are_let_be(parser: argparse.ArgumentParser) -> None:
    others = {"REENACT_MEDIA": "/media", "REENACT_MAKEHUMAN": "/data", "REENACT_VM_RUN": "run"}
    assert resolve(parser, ["--settings", os.devnull], others)["smooth"].source == "default"


def test_a_mistyped_flag_is_told_the_nearest(parser: argparse.ArgumentParser) -> None:
    for words in (["--smoth", "1"], ["--smoth=1"]):
        with pytest.raises(
            UserError, match=r"--smoth.*; did you mean --smooth\?; see `app --help`"
        ):
            resolve(parser, words, {})
    with pytest.raises(UserError, match="unrecognized arguments: --xyz; see `app --help`"):
        resolve(parser, ["--xyz"], {})


def test_a_file_asked_for_must_be_there(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no settings file"):
        resolve(parser, ["--settings", str(tmp_path / "no.toml")], {})


def test_the_table_shows_value_and_source(parser: argparse.ArgumentParser, file: Path) -> None:
    lines = table(resolve(parser, ["--settings", str(file)], {})).splitlines()
    assert [line.split() for line in lines] == [
        ["avatar", "ada", "file"],
        ["every-frame", "True", "file"],
        ["keys", "-", "default"],
        ["output", "vcam,", "window", "file"],
        ["smooth", "0.1", "file"],
    ]


def test_the_app_shows_its_settings(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "run_live.py", "--settings", str(file), "--show-settings"],
        cwd=ROOT,
        env={**os.environ, "REENACT_AVATAR": "daniel"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()}
    assert found["avatar"] == "environment" and found["smooth"] == "file"
    assert found["backend"] == "default"
