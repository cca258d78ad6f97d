"""Drive an avatar with your face: python run_live.py --help."""

import json
import os
import sys
from dataclasses import fields
from typing import Any

from realtime.settings import add_flags, resolve, table
from reenact.errors import CommandLine, UserError, exit_on_user_error


def parser() -> CommandLine:
    """The command line."""
    flags = CommandLine("python run_live.py", description="Drive an avatar with your face, live.")
    add = flags.add_argument
    add("--input", default="0", help="camera index, name or /dev/videoN; rtsp://...; a file; a folder "
        "of pictures; demo (default: 0)")  # fmt: skip
    add("--camera-size", metavar="WxH", help="asked of the camera, px (default: 640x480)")
    add("--output", action="append", help="window, vcam, vcam:/dev/videoN or its name, FILE.mp4, none; "
        "may be repeated (default: window)")  # fmt: skip
    add("--avatar", action="append", help="name of a built-in avatar, an .avatar file or a folder "
        "of these; may be repeated, then keys choose (default: all that are built in)")  # fmt: skip
    add("--fade", type=float, default=0.3, metavar="S", help="from avatar to avatar (default: 0.3)")
    add("--edit", action="append", default=[], metavar="EDIT=STRENGTH",
        help="change the avatar: age=1.5, smile=1 (those that ship), or FILE.edit=0.8; may be repeated")  # fmt: skip
    add(
        "--backend",
        default="auto",
        help="auto, tensorrt, tensorrt-rtx, openvino ... (default: auto)",
    )
    add("--max-frames", type=int, metavar="N", help="stop after N pictures")
    add("--every-frame", action="store_true", help="render each frame of a file exactly once")
    add("--seconds", type=float, metavar="S", help="stop after S seconds")
    add("--size", help="N or WxH, px, even (default: 1280x720 for vcam, else as rendered)")
    add("--background", default="blur", help="around the avatar: blur, plain, green or a picture")
    add("--mirror-output", action="store_true", help="swap left and right in every output")
    add(
        "--mirror-preview",
        action="store_true",
        help="show the window's picture the other way round",
    )
    add("--mirror-driver", action="store_true", help="swap left and right of what the camera sees")
    add("--hud", default="fps", help="over the window: off, fps or all (default: fps)")
    add("--record-to", default=".", metavar="FOLDER", help="where the record key's files go")
    add("--smooth", type=float, default=0.5, help="0 (follow everything) to 1 (calm); default 0.5")
    for group in ("pose", "mouth", "eyes", "brows"):
        add(
            f"--gain-{group}", type=float, default=1.0, metavar="X", help=f"how much of the {group}"
        )
    add("--relative", action="store_true", help="move from your own neutral face, not everybody's")
    add("--calibrate", action="store_true", help="find your neutral face now and keep it")
    add("--auto-neutral", action="store_true", help="find it while you sit still")
    add("--person", default="me", help="whose calibration (default: me)")
    add("--threads", type=int, metavar="N", help="CPU threads of the networks")
    add("--json", action="store_true", help="print the run in numbers as the last line")
    add("--list-avatars", action="store_true", help="name the built-in avatars and stop")
    add("--list-cameras", action="store_true", help="try every camera, say what it delivers, stop")
    add_flags(flags)
    return flags


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
        from realtime.options import Options, camera_size
        from reenact.avatar import starter_avatars
    except ImportError as error:
        raise UserError(
            f"{sys.executable} cannot load what Reenact needs ({error}): "
            "run `pip install -e .` with it, or start the Python that has it"
        ) from error
    if words["list_avatars"]:
        print("\n".join(starter_avatars()))
        return 0
    if words["list_cameras"]:
        for line in describe_cameras(camera_size(words["camera_size"])):
            print(line, flush=True)
        return 0
    words |= {
        "outputs": words["output"] or ["window"],
        "edits": words["edit"],
        "avatar": words["avatar"] or [],
    }
    options = Options(**{field.name: words[field.name] for field in fields(Options)})
    report = run(options, lambda line: print(line, flush=True))
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
