"""What a webcam's cable does to its pictures: JPEG (MJPG cameras) and H.264, made in memory.

Pictures are u8[T,h,w,3] RGB, h and w even.
"""

from fractions import Fraction

import av
import cv2
import numpy as np

from reenact.talking_heads.raster import Bytes

SUBSAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def through_jpeg(pictures: Bytes, quality: int, subsampling: str) -> Bytes:
    """Every picture as an MJPG camera delivers it.

    quality: libjpeg's, 1..100; subsampling: of the colours, a key of SUBSAMPLING.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        SUBSAMPLING[subsampling],
    ]
    out = np.empty_like(pictures)
    for t, picture in enumerate(pictures):
        _, coded = cv2.imencode(".jpg", picture[..., ::-1], options)
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None, "OpenCV cannot read the JPEG that it wrote"
        out[t] = decoded[..., ::-1]
    return out


def through_h264(pictures: Bytes, crf: int, fps: float) -> Bytes:
    """The clip through libx264 at a constant rate factor (0..51, higher is worse), 4:2:0.

    No B-frames and one thread: what hardware encoders of webcams do, and the same bytes always.
    """
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = pictures.shape[1:3]
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(fps).limit_denominator(1000)
    encoder.time_base = 1 / encoder.framerate
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "superfast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for picture in pictures:
        packets += encoder.encode(av.VideoFrame.from_ndarray(picture, "rgb24"))
    packets += encoder.encode(None)
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])
