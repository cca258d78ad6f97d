"""Live: cameras, the puppet, outputs and the loop between them."""

import os
import sys

from realtime.memory import few_heaps

# OpenCV reads these once, when it is loaded: a camera that stops is noticed after three seconds,
# not ten, and what FFmpeg has to say of a broken file is said by us in one sentence.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# Its windows are Qt's and know X11 only: under Wayland another wish would end the process.
if sys.platform == "linux":
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    os.environ.setdefault("QT_LOGGING_RULES", "default.info=false")

few_heaps()
