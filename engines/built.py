"""Where built engines are: beside the ONNX of a model folder, or in `engines/built`."""

from collections.abc import Iterator
from pathlib import Path

from engines.contract import CHECKPOINT, graph_file
from engines.passport import OPTIONS, Passport, engine_file, read_passport, sha256
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
