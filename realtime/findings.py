"""What a check of `python -m realtime.doctor` finds. Needs nothing but Python itself."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from reenact.errors import UserError


class State(Enum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """The app runs, but not as well, or not in every way."""
    PROBLEM = "problem"
    """The app does not run, or not as was asked for."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: how it is.
        what: what was found, one line.
        why: why that matters, one line.
        lines: to copy, that mend it on this system.
    """

    state: State
    what: str
    why: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What the user wants to use, so that its absence is a problem; None and (): anything."""

    camera: str | None = None
    outputs: tuple[str, ...] = ()

    def lack_of(self, kind: str) -> State:
        """What the lack of a kind of output means."""
        wanted = any(output.partition(":")[0] == kind for output in self.outputs)
        return State.PROBLEM if wanted else State.WARNING


Check = Callable[[Asked], Iterable[Finding]]


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(State.OK, what)


def told(error: UserError, state: State, why: str, lines: tuple[str, ...] = ()) -> Finding:
    """An error's own words as a finding; the commands in them are lines to copy."""
    commands = tuple(re.findall("`([^`]+)`", str(error)))
    return Finding(state, str(error), why, lines or commands)
