"""What was freed goes back to the system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FREED = """
import os
import numpy as np
from pathlib import Path
from realtime.memory import give_back

def rss_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

blocks = [np.ones(64_000, np.uint8) for _ in range(1000)]
del blocks[:-1]  # the last one holds the heap's end
before = rss_mb()
give_back()
print(before - rss_mb())
"""

HEAPS = """
import ctypes
import threading
import numpy as np
from pathlib import Path
import realtime

together = threading.Barrier(6)
kept = []

def work():
    together.wait()
    kept.append(np.ones(64_000, np.uint8))
    together.wait()

threads = [threading.Thread(target=work) for _ in range(5)]
[thread.start() for thread in threads]
together.wait()
together.wait()
[thread.join() for thread in threads]

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
listing = ctypes.c_void_p(libc.fopen(b"LISTING", b"w"))
libc.malloc_info(0, listing)
libc.fclose(listing)
print(Path("LISTING").read_text().count("<heap nr="))
"""


def run(script: str, **more: str) -> float:
    if sys.platform != "linux":
        pytest.skip("glibc is Linux's")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=kept | more, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_what_was_freed_is_given_back() -> None:
    assert run(FREED) > 40


def test_threads_share_two_heaps_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    script = HEAPS.replace("LISTING", str(tmp_path / "heaps.xml"))
    assert run(script) <= 2
    assert run(script, MALLOC_ARENA_MAX="8") > 2
