"""python -m realtime.engine_probe BACKEND: both live networks for a few frames, as one JSON line.

A process of its own, because a library that does not fit the processor or the driver may end it.
"""

import json
import sys

from engines import load_engine
from realtime.benchmark import alone_ms
from realtime.models import STARTER
from reenact.errors import UserError, exit_on_user_error

_RUNS = 5


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    if len(sys.argv) != 2:
        raise UserError("name one backend: `python -m realtime.engine_probe openvino`")
    report = {}
    for name, graph in (("encode_ms", "encode_deformation"), ("render_ms", "render")):
        engine = load_engine(STARTER, graph, sys.argv[1])
        report[name], device = alone_ms(engine, _RUNS), engine.device
        engine.close()
    print(json.dumps(report | {"device": device}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
