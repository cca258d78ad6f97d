"""Where built engines are: beside the ONNX of a model folder, or in `engines/built`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.contract import CHECKPOINT, example, graph_file
from engines.passport import (
    OPTIONS,
    Passport,
    check_passport,
    engine_file,
    passport_file,
    read_passport,
    sha256,
)
from reenact.errors import UserError

BUILT = Path(__file__).parent / "built"
"""What was built here, where no other folder was asked for; git ignores it."""


def engines_in(folder: Path) -> Iterator[Path]:
    """Every built engine in a folder and in the folders in it, sorted."""
    for product in OPTIONS:
        yield from sorted(folder.glob(f"**/*.{product}.engine"))


def find_engine(model_dir: Path | str, graph: str, product: str) -> Path:
    """Find the engine of a graph: beside its ONNX, else the newest in `engines/built` of its model.

    Of the same model is what names the same generator, and the same checkpoint if both say so.

    Raises:
        ValueError: there is no graph of that name.
        UserError: nothing was built for it, or the folder holds no such graph.
    """
    onnx = graph_file(model_dir, graph)
    beside = engine_file(onnx, product)
    if beside.exists():
        return beside
    fitting = [
        (passport.date, engine)
        for engine, passport in _readable(f"{graph}.{product}.engine")
        if _of_the_same_model(passport, Path(model_dir))
    ]
    if not fitting:
        raise UserError(
            f"no {OPTIONS[product]} engine was built for {onnx}; build it: "
            f"`python -m export --to {OPTIONS[product]} --precision fp16"
            f" --checkpoint {Path(model_dir) / CHECKPOINT}`"
        )
    return max(fitting)[1]


def _readable(name: str) -> Iterator[tuple[Path, Passport]]:
    for engine in sorted(BUILT.glob(f"**/{name}")):
        try:
            yield engine, read_passport(engine)
        except UserError:  # `python -m engines check` says why
            continue


def _of_the_same_model(passport: Passport, model_dir: Path) -> bool:
    from engines.onnxruntime_engine import read_info

    if passport.fingerprint != read_info(model_dir).fingerprint:
        return False
    checkpoint = model_dir / CHECKPOINT
    if passport.checkpoint is None or not checkpoint.exists():
        return True
    return passport.checkpoint == sha256(checkpoint)


@dataclass(frozen=True)
class State:
    """Whether an engine may be used, and in words what is known of that."""

    good: bool
    words: str


def state_of(engine: Path) -> State:
    """Check an engine as far as this machine allows: files, version, card, and a run on it."""
    try:
        passport = read_passport(engine)
        return _state(engine, passport)
    except UserError as error:
        return State(False, str(error).removeprefix(f"{engine} "))


def _state(engine: Path, passport: Passport) -> State:
    from engines.cuda import open_cuda
    from engines.tensorrt_engine import ENGINES
    from engines.tensorrt_library import load_library

    version = passport.version  # where the product is not installed it cannot be compared
    try:
        version = load_library(passport.product).version
        cuda = open_cuda("it runs only on an NVIDIA GPU")
    except UserError as error:
        check_passport(engine, version, None)
        return State(True, f"files and passport agree; not run: {str(error).split(';')[0]}")
    check_passport(engine, version, cuda.gpu)
    loaded = ENGINES[passport.product](engine.parent, passport.graph)
    try:
        loaded(example(passport.graph, loaded.input_shape))
        words = (
            f"{loaded.device_ms():.2f} ms on {loaded.device} through {cuda.library}, "
            f"{loaded.memory / 2**20:.0f} of {cuda.gpu.memory / 2**20:.0f} MiB besides weights"
        )
    finally:
        loaded.close()
    return State(True, words)


def remove_engine(engine: Path) -> int:
    """Remove an engine, its passport and what else was made for it; gives the bytes freed.

    Raises:
        UserError: the system refuses.
    """
    whole = [engine, passport_file(engine), engine.with_suffix(".jit")]
    whole += [engine.with_name(f".{engine.stem}.lock"), *engine.parent.glob(f".{engine.stem}.*tmp")]
    freed = 0
    for path in whole:
        try:
            freed += path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(f"cannot remove {path}: {error.strerror}") from error
    return freed
