"""Errors that a user can cause: one sentence that says what happened, why, and the next command."""

import argparse
import functools
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn


class UserError(Exception):
    """A mistake or a missing thing on the user's side; its text is shown as it is, without a traceback."""


class CommandLine(argparse.ArgumentParser):
    """An ArgumentParser that complains in one sentence, as everything else does."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError, with the flag that a mistyped one is nearest to."""
        _, _, unknown = message.partition("unrecognized arguments: ")
        flag = unknown.split(" ")[0].split("=")[0]
        near = get_close_matches(flag, self._option_string_actions, n=1) if flag else []
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{message}{hint}; see `{self.prog} --help`")


def exit_on_user_error(main: Callable[[], int]) -> Callable[[], int]:
    """Wrap a command's main: a UserError becomes `error: ...` on stderr and exit code 2, Ctrl-C becomes 130."""

    @functools.wraps(main)
    def wrapped() -> int:
        try:
            return main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130

    return wrapped
