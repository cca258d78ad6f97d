"""Live: cameras, the puppet, outputs and the loop between them."""

import ctypes
import os
import sys
from contextlib import suppress

# OpenCV reads these once, when it is loaded: a camera that stops is noticed after three seconds,
# not ten, and what FFmpeg has to say of a broken file is said by us in one sentence.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# Its windows are Qt's and know X11 only: under Wayland another wish would end the process.
if sys.platform == "linux":
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    os.environ.setdefault("QT_LOGGING_RULES", "default.info=false")

# glibc gives new threads heaps of their own, eight per core, and each keeps what was freed in it: a
# show whose outputs come and go grew by tens of MB. Two do for threads that seldom allocate.
if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX of malloc.h
