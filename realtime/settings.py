"""Settings from five places: flag > environment > profile > file > default.

The file is TOML; its names are the flags' names (`every-frame = true`), profiles are tables in it
(`[profiles.stream]`). The command line's own parser says what there is, so nothing is listed twice.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reenact.errors import UserError
from reenact.folders import settings_folder

_ONCE = ("help", "settings", "profile", "show-settings", "list-avatars", "list-cameras")
"""Flags that make sense on the command line only."""


@dataclass(frozen=True)
class Setting:
    """A value, and where it came from, in words."""

    value: Any
    source: str


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --settings, --profile and --show-settings."""
    parser.add_argument("--settings", type=Path, metavar="FILE", help=f"default: {default_file()}")
    parser.add_argument("--profile", metavar="NAME", help="a [profiles.NAME] of the settings file")
    parser.add_argument("--show-settings", action="store_true", help="each value and its source")


def default_file() -> Path:
    """Where the settings file is looked for; it need not exist."""
    return settings_folder() / "settings.toml"


def resolve(
    parser: argparse.ArgumentParser, words: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Setting]:
    """Settle every setting; the names are the flags' without the dashes.

    Args:
        parser: the command line, `add_flags` included.
        words: what stands on the command line.
        environment: e.g. os.environ; REENACT_EVERY_FRAME=1 is --every-frame.

    Raises:
        UserError: unreadable file, no such profile, unknown name or unfitting value anywhere.
    """
    actions = {_name(action): action for action in parser._actions if action.option_strings}
    given = _given(parser, words)
    file = given.get("settings") or environment.get("REENACT_SETTINGS")
    table = _read(Path(file) if file else default_file(), must_exist=bool(file))
    profiles = table.pop("profiles", {})
    default = table.pop("profile", None)
    if not isinstance(default, str | None):
        raise UserError(f"profile in the settings file is {default!r}: give the name of one")
    wanted = given.get("profile") or environment.get("REENACT_PROFILE") or default
    keys = _keys(table, "the settings file")
    settable = {name: action for name, action in actions.items() if name not in _ONCE}
    layers = [
        ("default", {name: action.default for name, action in actions.items()}),
        ("file", _checked(settable, table, "the settings file")),
        (f"profile {wanted}", _profile(settable, profiles, wanted)),
        ("environment", _from_environment(settable, environment)),
        ("flag", given),
    ]
    settled: dict[str, Setting] = {}
    for source, values in layers:
        settled |= {name: Setting(value, source) for name, value in values.items()}
    own = _keys(dict(profiles.get(wanted, {})), f"the profile {wanted}") if wanted else {}
    settled["keys"] = Setting(
        keys | own, f"profile {wanted}" if own else "file" if keys else "default"
    )
    return settled


def table(settings: Mapping[str, Setting]) -> str:
    """The settings as lines of name, value and source."""
    width = max(map(len, settings))
    return "\n".join(
        f"{name:{width}}  {_shown(setting.value):24}  {setting.source}"
        for name, setting in sorted(settings.items())
        if name not in _ONCE
    )


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{action}: {key}" for action, key in value.items()) or "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1].removeprefix("--")


def _given(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    """The flags that really stand on the command line."""
    defaults = {action: action.default for action in parser._actions}
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    try:
        found = vars(parser.parse_args(words))
    finally:
        for action, default in defaults.items():
            action.default = default
    names = {action.dest: _name(action) for action in parser._actions if action.option_strings}
    return {names[dest]: value for dest, value in found.items()}


def _read(path: Path, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad marks it
    except FileNotFoundError:
        if must_exist:
            raise UserError(f"there is no settings file {path}; check --settings") from None
        return {}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check --settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML ({error}); correct it, or move it away") from error


def _profile(
    actions: Mapping[str, argparse.Action], profiles: Any, wanted: str | None
) -> dict[str, Any]:
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise UserError("'profiles' in the settings file must hold tables: [profiles.stream]")
    for name, values in profiles.items():  # also those not used today: a typo is a typo
        _checked(actions, _without_keys(values), f"the profile {name}")
    if wanted is None:
        return {}
    if wanted not in profiles:
        near = _nearest(wanted, profiles)
        names = ", ".join(profiles) or "none"
        raise UserError(f"there is no profile {wanted!r}: {near}the settings file has {names}")
    return _checked(actions, _without_keys(profiles[wanted]), f"the profile {wanted}")


def _keys(table: dict[str, Any], where: str) -> dict[str, str]:
    """Take [keys] out of a table: keys by action (`realtime.keys` knows which there are)."""
    keys = table.pop("keys", {})
    if isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values()):
        return keys
    raise UserError(f"'keys' in {where} must be a table of keys by action: [keys] record = \"o\"")


def _without_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "keys"}


def _checked(
    actions: Mapping[str, argparse.Action], values: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """The values of a TOML table in the flags' types."""
    checked = {}
    for name, value in values.items():
        if name not in actions:
            near = _nearest(name, actions)
            raise UserError(
                f"{where} has a setting {name!r} that there is not: "
                f"{near}see `python run_live.py --show-settings`"
            )
        checked[name] = _converted(actions[name], value, f"{name} in {where}")
    return checked


def _from_environment(
    actions: Mapping[str, argparse.Action], environment: Mapping[str, str]
) -> dict[str, Any]:
    found = {}
    for name, action in actions.items():
        variable = _variable(name)
        text = environment.get(variable)
        if text is not None:
            value: Any = text
            if action.nargs == 0:
                value = {"1": True, "true": True, "0": False, "false": False}.get(text.lower())
            elif isinstance(action, argparse._AppendAction):
                value = text.split(",")
            found[name] = _converted(action, value, variable, text)
    _check_names(actions, environment)
    return found


def _check_names(actions: Mapping[str, argparse.Action], environment: Mapping[str, str]) -> None:
    """Refuse what is nearly a setting's variable; other REENACT_ ones are other programs' affair."""
    known = {_variable(name) for name in (*actions, "settings", "profile")}
    for name in environment:
        if name.startswith("REENACT_") and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.9)
            if near:
                raise UserError(f"there is no setting for {name}: did you mean {near[0]}?")


def _variable(name: str) -> str:
    return "REENACT_" + name.upper().replace("-", "_")


def _converted(action: argparse.Action, value: Any, where: str, shown: str | None = None) -> Any:
    """A value in the flag's type; UserError where it does not fit."""
    kind = action.type if callable(action.type) else str
    try:
        if action.nargs == 0:
            if isinstance(value, bool):
                return value
            raise ValueError("true or false")
        if isinstance(action, argparse._AppendAction):
            several = value if isinstance(value, list) else [value]
            return [_scalar(kind, one) for one in several]
        return _scalar(kind, value)
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        expected = "true or false" if action.nargs == 0 else getattr(kind, "__name__", "a value")
        raise UserError(
            f"{where} is {value if shown is None else shown!r}: give {expected}"
        ) from error


def _scalar(kind: Any, value: Any) -> Any:
    """TOML's number, text or date through the flag's own conversion."""
    if isinstance(value, bool | list | dict):
        raise ValueError("a single value")
    return kind(str(value))


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}? " if near else ""
