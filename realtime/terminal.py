"""Keys from the terminal, where there is no window to press them in."""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from realtime.keys import key_of

_SEQUENCE = re.compile(rb"\x1b[\[O][0-9;]*[ -/]*[@-~]|\x1b[^\x1b]")
"""What arrows, function keys and Alt send: begins like Esc, and must not end the show."""


@contextmanager
def terminal_keys(press: Callable[[str], None], fd: int | None = None) -> Iterator[bool]:
    """Call `press` with every key typed meanwhile, from a thread of its own.

    The terminal gives its keys at once and does not show them until the end, whatever that is;
    Ctrl-C stays what it is.

    Args:
        press: takes the names of keys, see `realtime.keys`.
        fd: of the terminal, default: standard input.

    Yields:
        Whether there are keys: not without a terminal, nor in the background of one.
    """
    if sys.platform == "win32":
        with _windows_keys(press) as there_are:
            yield there_are
        return
    fd = _standard_input() if fd is None else fd
    if fd is None or not _ours(fd):
        yield False
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    asleep, wake = os.pipe()
    thread = threading.Thread(target=_read, args=(fd, asleep, press), name="keys", daemon=True)
    try:
        tty.setcbreak(fd, termios.TCSANOW)
        thread.start()
        yield True
    finally:
        os.write(wake, b".")
        if thread.is_alive():
            thread.join()
        os.close(asleep)
        os.close(wake)
        termios.tcsetattr(fd, termios.TCSANOW, before)


def keys_in(typed: bytes) -> list[str]:
    """The names of the keys in what a terminal sent."""
    plain = _SEQUENCE.sub(b"", typed)
    return [name for name in map(key_of, plain) if name is not None]


def _read(fd: int, asleep: int, press: Callable[[str], None]) -> None:
    import select

    while True:
        ready, _, _ = select.select([fd, asleep], [], [])
        if asleep in ready:
            return
        try:
            typed = os.read(fd, 1024)
        except OSError:  # the terminal was closed
            return
        if not typed:
            return
        for key in keys_in(typed):
            press(key)


def _standard_input() -> int | None:
    try:
        return sys.stdin.fileno() if sys.stdin.isatty() else None
    except (AttributeError, ValueError, OSError):  # none, closed, or not a file
        return None


def _ours(fd: int) -> bool:
    """Whether a terminal may be changed: one that has us in the background would stop us."""
    if not os.isatty(fd):
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not the one that controls this process
        return True


@contextmanager
def _windows_keys(press: Callable[[str], None]) -> Iterator[bool]:
    if _standard_input() is None:
        yield False
        return
    leaving = threading.Event()
    thread = threading.Thread(target=_poll, args=(leaving, press), name="keys", daemon=True)
    thread.start()
    try:
        yield True
    finally:
        leaving.set()
        thread.join()


def _poll(leaving: threading.Event, press: Callable[[str], None]) -> None:
    """Windows' console cannot be waited for together with anything else."""
    import msvcrt

    while not leaving.wait(0.05):
        while msvcrt.kbhit():  # type: ignore[attr-defined]
            typed = msvcrt.getwch()  # type: ignore[attr-defined]
            if typed in "\x00\xe0":  # an arrow or a function key, whose second half follows
                msvcrt.getwch()  # type: ignore[attr-defined]
                continue
            name = key_of(ord(typed))
            if name is not None:
                press(name)
