"""Hands that press keys: on a terminal that the app reads, and on its window's X display."""

import ctypes
import os
import pty
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

from realtime.keys import KEYS

_NAMED = {"esc": "\x1b", "tab": "\t"}
_X_NAMES = {
    "-": "minus", "+": "plus", "=": "equal", "[": "bracketleft", "]": "bracketright",
    ";": "semicolon", "'": "apostrophe", "?": "question", "tab": "Tab", "esc": "Escape",
}  # fmt: skip
_SHIFTED = {"+", "?"}
_TWICE = {"pause": 2.0, "blank": 2.0, "camera": 3.0, "record": 8.0, "help": 3.0}
"""Actions that are taken back after at most so many seconds, or there would be little to see."""
_OFTEN = (
    ["avatar-1", "avatar-2", "avatar-3", "avatar-4", "previous-avatar", "next-avatar"] * 3
    + ["next-edit", "edit-less", "edit-more"] * 6
    + ["mirror", "mirror-driver", "relative", "hud", "smooth-less", "smooth-more"]
    + ["mouth-less", "mouth-more", "pause", "blank", "camera", "help", "avatar-9"]
)
_SELDOM = ["record", "calibrate"]


class Terminal:
    """A terminal of our own in place of standard input."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        os.dup2(slave, 0)
        os.close(slave)
        sys.stdin = os.fdopen(0, closefd=False)

    def press(self, key: str) -> None:
        """Type a key; a lone Esc is no sequence because nothing follows it."""
        os.write(self._master, _NAMED.get(key, key).encode())


class Screen:
    """Keys into the window under the pointer of an X display (XTEST)."""

    def __init__(self) -> None:
        self._x: Any = ctypes.CDLL("libX11.so.6")
        self._test: Any = ctypes.CDLL("libXtst.so.6")
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._x.XStringToKeysym.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(None))
        if not self._display:
            raise OSError("there is no X display")

    def press(self, key: str) -> None:
        self._test.XTestFakeMotionEvent(self._display, -1, 60, 60, 0)
        shift = [self._code("Shift_L")] if key in _SHIFTED else []
        codes = [*shift, self._code(_X_NAMES.get(key, key))]
        for code in codes:
            self._test.XTestFakeKeyEvent(self._display, code, 1, 0)
        for code in reversed(codes):
            self._test.XTestFakeKeyEvent(self._display, code, 0, 0)
        self._x.XFlush(self._display)

    def _code(self, name: str) -> int:
        sym = self._x.XStringToKeysym(name.encode())
        return int(self._x.XKeysymToKeycode(self._display, ctypes.c_ulong(sym)))


class Hands:
    """Presses keys at random, in a thread of its own, until told to leave; the last one ends it."""

    def __init__(
        self, press: Callable[[str], None], noted: Callable[[str], None], chance: random.Random
    ) -> None:
        self._press, self._noted, self._chance = press, noted, chance
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak hands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._leaving.set()
        self._thread.join()

    def act(self, action: str) -> None:
        """Press one of the keys of an action."""
        self._noted(action)
        self._press(self._chance.choice(KEYS[action]))

    def _run(self) -> None:
        while not self._leaving.wait(self._chance.uniform(0.1, 2.0)):
            action = self._chance.choice(self._chance.choice([_OFTEN] * 15 + [_SELDOM]))
            self.act(action)
            if action in _TWICE:
                self._leaving.wait(self._chance.uniform(0.2, _TWICE[action]))
                self.act(action)
