"""What the doctor looks at first: Python and its packages. Needs nothing but Python itself."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from realtime.advice import advice
from realtime.findings import Asked, Finding, State, ok

ROOT = Path(__file__).parent.parent
_OLDEST = (3, 11)


def python(asked: Asked) -> Iterator[Finding]:
    """The Python that runs this."""
    words = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        why = f"Reenact needs {wanted} or newer"
        yield Finding(State.PROBLEM, words, why, advice("python"))
    else:
        yield ok(words)


def packages(asked: Asked) -> Iterator[Finding]:
    """What pyproject.toml asks for, and which of its extras are there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wrong = [lack for line in project["dependencies"] if (lack := lacking(line))]
    if wrong:
        yield Finding(
            State.PROBLEM,
            "; ".join(wrong),
            "without them the app does not start",
            advice("packages"),
        )
    else:
        names = [_parts(line)[0] for line in project["dependencies"]]
        yield ok(", ".join(f"{name} {metadata.version(name)}" for name in names))
    extras = project["optional-dependencies"]
    absent = [name for name, lines in extras.items() if any(map(lacking, lines))]
    if absent:
        yield ok(f"extras that are not installed, and not needed to run: {', '.join(absent)}")


def lacking(requirement: str) -> str | None:
    """What is wrong with a requirement like "av>=14", in words; None: nothing.

    Only the bounds that pyproject.toml uses are understood: >=, == and <.
    """
    name, bounds = _parts(requirement)
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    here = _numbers(version)
    for sign, bound in re.findall(r"(>=|==|<)\s*([\d.]+)", bounds):
        wanted = _numbers(bound)
        good = {">=": here >= wanted, "==": here == wanted, "<": here < wanted}[sign]
        if not good:
            return f"{name} is {version}, wanted is {sign}{bound}"
    return None


def _parts(requirement: str) -> tuple[str, str]:
    """Name and bounds, without the marker of the system."""
    found = re.match(r"([\w.-]+)([^;]*)", requirement)
    assert found is not None
    return found[1], found[2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.split("+")[0])))
