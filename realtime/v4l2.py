"""What a V4L2 device can do, asked of the kernel itself (linux/videodev2.h)."""

import os
import struct
from pathlib import Path

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_CAPABILITY = struct.Struct("16s32s32sIII12x")  # driver, card, bus, version, all, this device's

CAPTURE, OUTPUT = 0x1, 0x2  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT


def capabilities(device: Path) -> int:
    """The V4L2_CAP_ bits of a device, as it is now.

    Raises:
        OSError: it may not be opened, or is no V4L2 device.
    """
    import fcntl  # not on Windows

    answer = bytearray(_CAPABILITY.size)
    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    finally:
        os.close(handle)
    bits: int = _CAPABILITY.unpack(answer)[5]
    return bits
