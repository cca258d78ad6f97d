"""The app kept open for hours, the way a user keeps it open, and everything that it costs.

    xvfb-run -a python tests/system/soak.py --minutes 120

One process runs `run_live.main` show after show: the demo driver in real time, another profile of a
settings file each time, keys pressed at random on a terminal or in the window (where there is a
display), ended by a key, by Ctrl-C or by time. Only the virtual camera's driver is ours: it reads
pictures at once. Exit 1 and a line for each breach: memory, threads, files, a picture unexplained.
"""

import argparse
import io
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import IO, Any

sys.path[:0] = [str(Path(__file__).parents[2])]

import numpy as np
from soak_hands import Hands, Screen, Terminal
from soak_settings import write_settings
from soak_watch import OURS, UNKNOWN, Cost, Gap, Watch, cost, grown_mb, rss_mb

import realtime.outputs
import run_live
from realtime.puppet import Picture

GROWTH_MB = 20.0
WARM_S = 12.0
"""Each profile is shown once so long before anything is held against it: libraries are loaded."""
OURS_SHARE = 0.01
"""Of the pictures, that the app may miss because its own threads have every core."""
_FPS, _EVERY_S = 30.0, 5.0


class Eye(realtime.outputs.Nowhere):
    """The output "none", but it notices each picture that is missing."""

    watch: Watch
    pictures = 0

    def open(self, width: int, height: int, fps: float) -> None:
        self._last_s: float | None = None

    def send(self, picture: Picture) -> None:
        Eye.pictures += 1
        now_s = time.perf_counter()
        self.watch.saw(now_s)
        if self._last_s is not None:
            over_s = picture.time_s - self._last_s - 1 / _FPS
            if over_s > 0.5 / _FPS:
                self.watch.gap(Gap("loop", self._last_s, now_s, _missing(over_s, _FPS), over_s))
        self._last_s = picture.time_s


class Driver:
    """What `pyvirtualcam.Camera` is to the app: takes the picture at once, and looks at the time."""

    watch: Watch

    def __init__(self, width: int, height: int, fps: float, device: str) -> None:
        self.device, self._taken = device, np.zeros((height, width, 3), np.uint8)
        self._fps, self._last_s = fps, 0.0

    def send(self, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
        now_s = time.perf_counter()
        over_s = now_s - self._last_s - 1 / self._fps if self._last_s else 0.0
        if over_s > 0.5 / self._fps:
            missing = _missing(over_s, self._fps)
            self.watch.gap(Gap("camera", self._last_s, now_s, missing, over_s))
        self._last_s = now_s
        np.copyto(self._taken, pixels)

    def close(self) -> None:
        pass


def _missing(over_s: float, fps: float) -> int:
    """How many pictures are missing where the time between two is so much too long; 0: one is late."""
    return int(over_s * fps + 0.1)


class Soak:
    """Shows, one after the other, and what is left of each."""

    def __init__(self, folder: Path, chance: random.Random, gaps: IO[str]) -> None:
        """`gaps` takes a line of JSON for each picture that was missed or late."""
        self._chance, self._folder = chance, folder
        self.watch = Watch(lambda gap: print(json.dumps(gap), file=gaps, flush=True))
        self.shows: list[dict[str, Any]] = []
        self.rss: list[float] = []
        self.keys: Counter[str] = Counter()
        self._terminal = Terminal()
        self._screen = Screen() if os.environ.get("DISPLAY") else None
        self._settings, self.profiles = write_settings(folder, window=self._screen is not None)

    def show(self, profile: str, seconds: float) -> dict[str, Any]:
        """One show; what it reported, and what the process holds afterwards."""
        way = self._chance.choice(["quit", "ctrl-c", "time"])
        most_s = seconds + (way != "time") * 60
        words = ["--settings", str(self._settings), "--profile", profile, "--json"]
        sys.argv = ["run_live.py", *words, "--seconds", f"{most_s:g}"]
        self.watch.begin()
        self.rss = []
        begin_s = time.perf_counter()
        with self._played(profile, way, seconds):
            code, out, err = _main()
        lasted_s = time.perf_counter() - begin_s
        for film in self._folder.glob("*.mp4"):
            film.unlink()
        report = json.loads(out.splitlines()[-1]) if code == 0 else {"said": err[-2000:]}
        told = {"profile": profile, "way": way, "code": code, "lasted_s": round(lasted_s, 1)}
        told |= {key: report.get(key) for key in ("fps", "latency_ms", "drops", "outputs", "said")}
        told |= {"on_time": way == "time" or lasted_s < most_s, "grew_mb": grown_mb(self.rss)}
        told["cost"] = asdict(cost())
        self.shows.append(told)
        return told

    @contextmanager
    def _played(self, profile: str, way: str, seconds: float) -> Iterator[None]:
        """Hands on the keys for so long, and then the end."""
        hand = self._screen if profile == "window" and self._screen else self._terminal
        hands = Hands(hand.press, self._note, self._chance)
        leave = threading.Timer(seconds, self._leave, (way, hands))
        hands.start()
        leave.start()
        try:
            yield
        finally:
            leave.cancel()
            hands.close()
            leave.join()

    def _note(self, action: str) -> None:
        self.keys[action] += 1
        self.watch.key(action)

    def _leave(self, way: str, hands: Hands) -> None:
        hands.close()
        if way == "quit":
            hands.act("quit")
        elif way == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)


def _main() -> tuple[int, str, str]:
    """`python run_live.py` in this process: exit code, what it printed, what it noted."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_live.main()
    return code, out.getvalue(), err.getvalue()


@contextmanager
def _reporting(soak: Soak, begin_s: float) -> Iterator[list[dict[str, Any]]]:
    """Print and keep a line each minute, from a thread of its own."""
    minutes: list[dict[str, Any]] = []
    leaving = threading.Event()

    def report() -> None:
        seen = 0
        while not leaving.wait(_EVERY_S):
            soak.rss.append(rss_mb())
            minute = round((time.perf_counter() - begin_s) / 60, 2)
            if minute < len(minutes) + 1:
                continue
            pictures, seen = Eye.pictures - seen, Eye.pictures
            line = {"minute": minute, "rss_mb": soak.rss[-1], "fps": round(pictures / 60, 2)}
            line |= {"threads": threading.active_count(), "shows": len(soak.shows)}
            minutes.append(line)
            _say(json.dumps(line | {"reasons": _counted(soak.watch)}))

    thread = threading.Thread(target=report, name="soak minutes", daemon=True)
    thread.start()
    try:
        yield minutes
    finally:
        leaving.set()
        thread.join()


def _counted(watch: Watch) -> dict[str, int]:
    return {" ".join(what): count for what, count in sorted(watch.reasons.items())}


def _say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)


def run(minutes: float, seed: int, gaps: IO[str]) -> dict[str, Any]:
    """The whole soak, half of it a single show; its report."""
    chance, begin_s = random.Random(seed), time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    soak = Soak(folder, chance, gaps)
    Eye.watch = Driver.watch = soak.watch
    realtime.outputs.Nowhere = Eye  # type: ignore[misc]
    camera = ModuleType("pyvirtualcam")
    camera.Camera = Driver  # type: ignore[attr-defined]
    sys.modules["pyvirtualcam"] = camera
    with _reporting(soak, begin_s) as lines:
        for profile in soak.profiles * 2:
            soak.show(profile, WARM_S)
        base = cost()
        _say(f"base line: {base}")
        seconds, profile = 30 * minutes, soak.profiles[-1]
        while (left_s := begin_s + 60 * minutes - time.perf_counter()) > 15:
            told = soak.show(profile, min(seconds, left_s))
            seconds = chance.uniform(20, max(40.0, 1.5 * minutes))
            profile = chance.choice(soak.profiles)
            _say(json.dumps(told | {"cost": told["cost"] | {"names": ()}}))
        end = cost()
    soak.watch.close()
    return _report(soak, base, end, lines, seed, time.perf_counter() - begin_s)


def _report(
    soak: Soak, base: Cost, end: Cost, lines: list[dict[str, Any]], seed: int, lasted_s: float
) -> dict[str, Any]:
    reasons = _counted(soak.watch)
    return {
        "seed": seed, "seconds": round(lasted_s), "pictures": Eye.pictures,
        "drops_by_app": sum(show["drops"] or 0 for show in soak.shows),
        "shows": len(soak.shows), "keys": sum(soak.keys.values()), "keys_by_action": soak.keys,
        "base": asdict(base), "end": asdict(end), "growth_mb": end.trimmed_mb - base.trimmed_mb,
        "reasons": reasons, "breaches": _breaches(soak, base, end),
        "minutes": lines, "each_show": soak.shows,
    }  # fmt: skip


def _breaches(soak: Soak, base: Cost, end: Cost) -> list[str]:
    """What must not be, in words."""
    grown = end.trimmed_mb - base.trimmed_mb
    found = [f"memory grew by {grown:.1f} MB"] if grown >= GROWTH_MB else []
    if end.threads > base.threads:
        left = Counter(end.names) - Counter(base.names)
        found.append(f"threads are left: {dict(left)}")
    if end.files > base.files:
        found.append(f"{end.files - base.files} files are left open")
    for show in soak.shows:
        if show["code"] != 0 or not show["on_time"]:
            found.append(f"a show went wrong: {show}")
        if show["grew_mb"] >= GROWTH_MB:
            found.append(f"memory grew by {show['grew_mb']:.1f} MB within a show: {show}")
    for (where, kind, reason), count in soak.watch.reasons.items():
        if reason == UNKNOWN or (reason == OURS and count > OURS_SHARE * Eye.pictures):
            found.append(f"{count} pictures {kind} in the {where}: {reason}")
    return found


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--minutes", type=float, default=10)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--json", type=Path, help="where the report goes, and each gap beside it")
    words = flags.parse_args()
    gaps = words.json.with_suffix(".gaps") if words.json else Path(os.devnull)
    with gaps.open("w") as lines:
        report = run(words.minutes, words.seed, lines)
    if words.json:
        words.json.write_text(json.dumps(report, indent=1))
    brief = {key: report[key] for key in ("seconds", "pictures", "shows", "keys", "growth_mb")}
    _say(json.dumps(brief | {"reasons": report["reasons"], "breaches": report["breaches"]}))
    return 1 if report["breaches"] else 0


if __name__ == "__main__":
    sys.exit(main())
