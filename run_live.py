"""Drive an avatar with your face: python run_live.py --help."""

import json
import os
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from realtime.flags import parser
from realtime.settings import resolve, table
from reenact.errors import UserError, exit_on_user_error


@exit_on_user_error
def main() -> int:
    """Run the command line; 0 when all went well."""
    settings = resolve(parser(), sys.argv[1:], os.environ)
    words = {name.replace("-", "_"): setting.value for name, setting in settings.items()}
    if words["show_settings"]:
        print(table(settings))
        return 0
    try:  # not at the top: a Python without our packages deserves a sentence, too
        from realtime.app import run
        from realtime.camera_list import describe_cameras
        from realtime.models import load_model
        from realtime.options import Options, camera_size
        from reenact.avatar import starter_avatars, user_avatars
    except ImportError as error:
        raise UserError(
            f"{sys.executable} cannot load what Reenact needs ({error}): "
            "run `pip install -e .` with it, or start the Python that has it"
        ) from error
    if words["list_avatars"]:
        print("\n".join(starter_avatars() | user_avatars()))
        return 0
    if words["list_cameras"]:
        for line in describe_cameras(camera_size(words["camera_size"])):
            print(line, flush=True)
        return 0
    show = run
    if words["model"]:
        folder = Path(words["model"])
        show = partial(run, loader=partial(load_model, folder=folder))
        there = {path.stem: str(path) for path in (folder / "avatars").glob("*.avatar")}
        named = [there.get(word, word) for word in words["avatar"] or []]
        words["avatar"] = named or [str(folder / "avatars")]
    words |= {
        "outputs": words["output"] or ["window"],
        "edits": words["edit"],
        "avatar": words["avatar"] or [],
    }
    options = Options(**{field.name: words[field.name] for field in fields(Options)})
    report = show(options, lambda line: print(line, flush=True))
    print(json.dumps(report) if words["json"] else _sentence(report))
    return 0


def _sentence(report: dict[str, Any]) -> str:
    latency = report["latency_ms"]["p95"]
    speed = f"{report['fps']} fps, " if report["fps"] else ""
    return f"{report['frames']} pictures, {speed}{report['drops']} dropped" + (
        f", 95 % of them sent within {latency:.0f} ms of capture" if latency else ""
    )


if __name__ == "__main__":
    sys.exit(main())
