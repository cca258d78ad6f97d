"""Recordings: h264, every picture at its time, with the sound of the driver's file."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from realtime.cameras import same_file
from realtime.puppet import Picture
from reenact.errors import UserError

MARK = "synthetic: made with Reenact"


class VideoFile:
    """An h264 file, written beside its final name and moved there whole at the end.

    Pictures keep their times, so that a recording of a live show plays at the show's speed.
    """

    size, fps = None, None
    done = False
    _TICK = Fraction(1, 90_000)  # s; a multiple of every usual frame's time

    def __init__(self, path: Path, source: Path | None) -> None:
        """`source`: the file that is the input, whose sound is kept, or a camera's device."""
        if same_file(path, source):
            raise UserError(f"the output {path} is also the input: name another file")
        # Unlike Path.is_dir these do not raise where this user may not look.
        if os.path.isdir(path):
            raise UserError(f"the output {path} is a folder: name a file in it")
        if not os.path.isdir(path.parent):
            raise UserError(
                f"cannot write {path}, there is no folder {path.parent}: "
                f"run `mkdir -p {path.parent}`"
            )
        self.label = str(path)
        self._path = path
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        self._container: Any = None
        self._source = source if source is not None and source.is_file() else None
        self._sound: _Sound | None = None
        self._begin_s = 0.0
        self._last = -1

    def open(self, width: int, height: int, fps: float) -> None:
        if width % 2 or height % 2:
            raise UserError(f"{width}x{height} is odd, which h264 cannot hold: use --size 512")
        import av  # 0.1 s; only for files

        try:
            self._part.touch()
            self._container = av.open(str(self._part), "w")
        except OSError as error:
            raise UserError(
                f"cannot write {self._path}: {error.strerror}; choose another folder"
            ) from error
        self._container.metadata["comment"] = MARK
        rate = Fraction(fps).limit_denominator(1001)
        options = {"crf": "16", "preset": "veryfast"}
        self._stream = self._container.add_stream("libx264", rate=rate, options=options)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        # Said aloud: players take a large picture for BT.709 otherwise, and change its colours.
        self._stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
        self._stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
        self._stream.thread_count = 1  # the networks need the others
        self._stream.codec_context.time_base = self._TICK
        if self._source is not None:
            self._sound = _Sound(self._source, self._container)

    def send(self, picture: Picture) -> None:
        import av

        if self._last < 0:
            self._begin_s = picture.time_s
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels), format="rgb24")
        ticks = round((picture.time_s - self._begin_s) / self._TICK)
        frame.pts = self._last = max(ticks, self._last + 1)
        frame.time_base = self._TICK
        try:
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.write_until(float(ticks * self._TICK))
        except OSError as error:
            raise self._broken_off(error) from error

    def close(self, keep: bool) -> None:
        container, self._container = self._container, None
        if container is None:
            self._part.unlink(missing_ok=True)
            return
        try:
            if keep and self._last >= 0:
                container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.end()
            container.close()
            if keep and self._last >= 0:
                os.replace(self._part, self._path)
        except OSError as error:
            raise self._broken_off(error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _broken_off(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self._path}: {error.strerror}; free some space and try again"
        )


class _Sound:
    """The sound of a file, written into a recording of it as AAC, up to where its pictures are."""

    def __init__(self, source: Path, container: Any) -> None:
        import av

        self._container, self._stream = container, None
        self._source = av.open(str(source))
        self._frames: Iterator[Any] = iter(())
        if self._source.streams.audio:
            heard = self._source.streams.audio[0]
            self._frames = self._source.decode(heard)
            self._stream = container.add_stream("aac", rate=heard.rate, layout=heard.layout.name)
        self._waiting: Any = None

    def write_until(self, time_s: float) -> None:
        """Write what is heard before a time of the recording, s."""
        while self._stream is not None:
            self._waiting = self._waiting or next(self._frames, None)
            if self._waiting is None or (self._waiting.time or 0.0) > time_s:
                return
            self._container.mux(self._stream.encode(self._waiting))
            self._waiting = None

    def end(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._source.close()
