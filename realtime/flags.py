"""The words of the command line: python run_live.py."""

from realtime.settings import add_flags
from reenact.errors import CommandLine


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
    add("--model", metavar="FOLDER", help="another model than the starter; its avatars are in "
        "FOLDER/avatars")  # fmt: skip
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
