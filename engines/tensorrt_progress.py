"""A build that shows how far it is and can be interrupted: minutes of TensorRT's C++ otherwise."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engines.tensorrt_library import Library

if TYPE_CHECKING:
    import tensorrt as trt
    from rich.progress import Progress, TaskID


@contextmanager
def watched(
    library: Library, config: "trt.IBuilderConfig", graph: str, progress: "Progress | None"
) -> Iterator[None]:
    """Show a build's phases, and end it at the next step when Ctrl-C is pressed.

    Raises:
        KeyboardInterrupt: after the build has ended, if Ctrl-C was pressed.
    """
    stop = threading.Event()
    words = f"{graph}: building with {library.title}"
    task = None if progress is None else progress.add_task(words, total=None)
    config.progress_monitor = _monitor(library.module, stop, words, progress, task)
    with _interrupts(stop):
        yield
    if progress is not None and task is not None:
        progress.update(task, description=f"{graph}: built", total=1, completed=1)


def _monitor(
    module: Any,
    stop: threading.Event,
    words: str,
    progress: "Progress | None",
    task: "TaskID | None",
) -> "trt.IProgressMonitor":
    class Monitor(module.IProgressMonitor):  # type: ignore[misc]
        """Called by the library's own threads."""

        def __init__(self) -> None:
            super().__init__()
            self._whole = ""

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if progress is None or task is None:
                return
            if parent_phase is None:
                self._whole = phase_name
                progress.update(task, total=num_steps, completed=0)
            else:
                progress.update(task, description=f"{words} ({phase_name.lower()})")

        def step_complete(self, phase_name: str, step: int) -> bool:
            if progress is not None and task is not None and phase_name == self._whole:
                progress.update(task, completed=step + 1)
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()


@contextmanager
def _interrupts(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C into `stop`: an exception must not pass through the library's C++."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)  # None: not Python's own
    if stop.is_set():
        raise KeyboardInterrupt
