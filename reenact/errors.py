"""Errors that a user can cause: one sentence that says what happened, why, and the next command."""

import functools
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake or a missing thing on the user's side; its text is shown as it is, without a traceback."""


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
