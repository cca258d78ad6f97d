"""Memory stays small while outputs come and go; glibc alone would keep most of what they freed."""

import ctypes
import os
import sys
from contextlib import suppress

_M_ARENA_MAX, _HEAPS = -8, 2
"""A parameter of malloc.h. Without it new threads get heaps of their own, eight per core."""


def few_heaps() -> None:
    """Let all threads share two heaps, which do for threads that seldom allocate; before they begin."""
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Return what was freed to the system; takes some milliseconds, best in a thread of no hurry."""
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
