"""What is wrong here?  python -m realtime.doctor: every stage once, for real, with lines to copy."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict

from realtime.checkups_install import packages, python
from realtime.findings import Asked, Check, Finding, State
from reenact import __version__
from reenact.errors import CommandLine, UserError, exit_on_user_error

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "bold red"}
_INDENT = 28

INSTALLED: dict[str, Check] = {"python": python, "packages": packages}
"""What is looked at first: the other checks need the packages to be loaded at all."""


def checks() -> dict[str, Check]:
    """Every check that needs the packages, in the order of the data's way."""
    from realtime.checkups import (
        calibrations,
        disk,
        display,
        engines,
        face_finder,
        model,
        nvidia,
        passports,
        settings,
        show,
    )
    from realtime.checkups_cameras import cameras, virtual_camera

    return {
        "settings": settings,
        "cameras": cameras,
        "face finder": face_finder,
        "calibrations": calibrations,
        "model": model,
        "engines": engines,
        "nvidia": nvidia,
        "passports": passports,
        "virtual camera": virtual_camera,
        "window": display,
        "disk": disk,
        "show": show,
    }


def examine(asked: Asked, only: list[str]) -> Iterator[tuple[str, Finding]]:
    """Run the checks, each finding with its check's name; stops where packages are missing.

    Raises:
        UserError: `only` names a check that there is not.
    """
    broken = False
    for name, check in INSTALLED.items():
        for finding in _found(check, asked):
            broken = broken or finding.state is State.PROBLEM
            if not only or name in only or finding.state is State.PROBLEM:
                yield name, finding
    if broken:
        return
    rest = checks()
    if unknown := set(only) - {*INSTALLED, *rest}:
        names = ", ".join([*INSTALLED, *rest])
        raise UserError(f"there is no check {sorted(unknown)[0]!r}: use --only with {names}")
    for name, check in rest.items():
        if not only or name in only:
            for finding in _found(check, asked):
                yield name, finding


def _found(check: Check, asked: Asked) -> Iterator[Finding]:
    """What a check finds; its own failure is a finding, too, and ends nothing else."""
    try:
        yield from check(asked)
    except Exception as error:
        words = f"the check itself failed ({type(error).__name__}: {error})"
        yield Finding(State.PROBLEM, words, "please report this line", ())


def _printer() -> Callable[[str, str], None]:
    """Prints a line in a style; plain where rich is missing or there is no terminal."""
    try:
        from rich.console import Console
    except ImportError:
        return lambda line, style: print(line, flush=True)
    console = Console(soft_wrap=True, highlight=False)
    return lambda line, style: console.print(line, style=style, markup=False)


def tell(examined: Iterator[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """Print each finding as it comes, for people."""
    line, kept = _printer(), []
    for name, finding in examined:
        kept.append((name, finding))
        line(f"{finding.state.value:8}  {name:16}  {finding.what}", _STYLES[finding.state])
        if finding.why:
            line(f"{'':{_INDENT}}{finding.why}", "dim")
        for command in finding.lines:
            line(f"{'':{_INDENT}}$ {command}", "cyan")
    states = [finding.state for _, finding in kept]
    problems, warnings = states.count(State.PROBLEM), states.count(State.WARNING)
    line(f"findings: {len(kept)}, problems: {problems}, warnings: {warnings}", "bold")
    return kept


def _arguments() -> Namespace:
    parser = CommandLine("python -m realtime.doctor", description=__doc__)
    add = parser.add_argument
    add("--camera", metavar="INPUT", help="as run_live.py's --input (default: as the settings say, "
        "else every camera)")  # fmt: skip
    add("--output", action="append", default=[], help="as run_live.py's; its lack is a problem "
        "(default: as the settings say)")  # fmt: skip
    add("--only", action="append", default=[], metavar="CHECK", help="may be repeated")
    add("--json", action="store_true", help="one JSON line for programs")
    return parser.parse_args()


def _asked(arguments: Namespace) -> Asked:
    """What this command line asks for or else the app's settings: a default is no wish."""
    try:
        from realtime.flags import parser  # these need a Python that is new enough
        from realtime.settings import resolve

        settings = resolve(parser(), [], os.environ)
    except (ImportError, UserError):  # the checks say so
        return Asked(arguments.camera, tuple(arguments.output))
    wishes = {name: each.value for name, each in settings.items() if each.source != "default"}
    outputs = arguments.output or wishes.get("output") or []
    return Asked(arguments.camera or wishes.get("input"), tuple(outputs))


@exit_on_user_error
def main() -> int:
    """Run the command line; 0: no problem was found, warnings may be; 1: something is broken."""
    arguments = _arguments()
    examined = examine(_asked(arguments), arguments.only)
    kept = list(examined) if arguments.json else tell(examined)
    broken = any(finding.state is State.PROBLEM for _, finding in kept)
    if arguments.json:
        findings = [
            {"check": name} | asdict(finding) | {"state": finding.state.value}
            for name, finding in kept
        ]
        report = {"version": __version__, "system": sys.platform, "ok": not broken}
        print(json.dumps(report | {"findings": findings}))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
