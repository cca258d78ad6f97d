"""ONNX -> engine, for TensorRT and TensorRT-RTX: built, given a passport, and only then put down.

The precision is the ONNX's own: networks are strongly typed, there is no flag for it any more.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.built import BUILT
from engines.contract import damaged
from engines.passport import (
    Gpu,
    Passport,
    check_passport,
    engine_file,
    passport_file,
    this_system,
    write_whole,
)
from engines.tensorrt_library import Library, load_library, one_line
from engines.tensorrt_progress import watched
from reenact.errors import UserError

if TYPE_CHECKING:
    import tensorrt as trt  # the annotations' names; tests/tensorrt_names.py reads them
    from rich.progress import Progress

WORKSPACE_MIB = 1024
_LONGEST_BUILD_S = 3600.0


@dataclass(frozen=True)
class _Order:
    """One build: what is to be made of what."""

    library: Library
    onnx: Path
    gpu: Gpu | None  # None: for many cards, ahead of time
    workspace_mib: int
    refit: bool
    capabilities: Sequence[str]


def build(
    onnx: Path,
    product: str,
    *,
    workspace_mib: int = WORKSPACE_MIB,
    refit: bool = False,
    progress: "Progress | None" = None,
    capabilities: Sequence[str] = (),
) -> Path:
    """Build an engine from an exported graph, with its passport, beside it.

    TensorRT builds on the GPU that is to run the engine. TensorRT-RTX builds on any machine, for
    every RTX card from Ampere on, or for the compute capabilities that are named. Two builds of one
    engine at once: the second waits, and takes what the first has made if that fits.

    Args:
        onnx: `<graph>.onnx` of a model folder.
        product: "tensorrt" or "tensorrt_rtx".
        workspace_mib: the most memory that a layer may ask for besides weights and activations.
        refit: make weights that can be exchanged later; needs a GPU.
        progress: shows what is done; None: nothing is shown.
        capabilities: for TensorRT-RTX only, e.g. ("8.9", "12.0").

    Returns:
        `<graph>.<product>.engine`; its passport is `<graph>.<product>.json`.

    Raises:
        ValueError: there is no such product.
        UserError: it cannot be built or written here; no engine that loads is left behind then.
    """
    library = load_library(product)
    order = _Order(library, onnx, _gpu(library, refit), workspace_mib, refit, capabilities)
    engine = engine_file(onnx, product)
    if not onnx.is_file():
        raise UserError(f"there is no {onnx}: export the model first, `python -m export`")
    with _alone(engine, progress) as waited:
        if waited and _fits(engine, order):
            return engine
        for left_behind in engine.parent.glob(f".{onnx.stem}.{product}.*.tmp"):
            left_behind.unlink()  # of a build that was killed
        model = onnx.read_bytes()
        says = _metadata(onnx, model)
        begin = time.monotonic()
        content, ends = _built(order, model, progress)
        seconds = time.monotonic() - begin
        _write(engine, content, _passport(order, says, model, content, ends, seconds))
    return engine


def _gpu(library: Library, refit: bool) -> Gpu | None:
    """The card to build on, or None where none is needed."""
    if library.product == "tensorrt_rtx" and not refit:
        return None
    from engines.cuda import open_cuda

    return open_cuda(f"{library.title} builds{' with refit' * refit} only on an NVIDIA GPU").gpu


@contextmanager
def _alone(engine: Path, progress: "Progress | None") -> Iterator[bool]:
    """Hold the lock of an engine's build; gives whether another build had to be waited for."""
    from filelock import FileLock, Timeout

    lock = FileLock(engine.with_name(f".{engine.stem}.lock"))  # the system frees it of the killed
    waited = False
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waited = True
            if progress is not None:
                progress.console.print(f"{engine.name}: waiting for another build of it to end")
            lock.acquire(timeout=_LONGEST_BUILD_S)
    except Timeout as error:
        raise UserError(
            f"another build of {engine} does not end; end it, then try again"
        ) from error
    except OSError as error:
        raise _unwritable(engine, error) from error
    try:
        yield waited
    finally:
        lock.release()


def _fits(engine: Path, order: _Order) -> bool:
    try:
        passport = check_passport(engine, order.library.version, order.gpu)
    except UserError:
        return False
    return passport.refit == order.refit and passport.capabilities == _targets(order)


def _built(order: _Order, model: bytes, progress: "Progress | None") -> tuple[bytes, Any]:
    """The engine's bytes, and its ends: (inputs, outputs), name -> [dtype, shape]."""
    library = order.library
    library.complaints.clear()
    builder = library.module.Builder(library.logger)
    network, parser = _parsed(order, builder, model)
    config = _config(order, builder)
    with watched(library, config, order.onnx.stem, progress):
        serialized = builder.build_serialized_network(network, config)
    del parser  # it held the weights until here
    if serialized is None:
        raise UserError(
            f"{library.title} cannot build {order.onnx.name}: {library.reason()}; "
            "export it again with another --precision or --size, or use --to onnx"
        )
    if library.product == "tensorrt":
        _save_timing(order, config)
    return bytes(serialized), _ends(library, network)


def _parsed(
    order: _Order, builder: "trt.Builder", model: bytes
) -> tuple["trt.INetworkDefinition", "trt.OnnxParser"]:
    network = builder.create_network(_strongly_typed(order.library))
    parser = order.library.module.OnnxParser(network, order.library.logger)
    if not parser.parse(model):
        raise damaged(order.onnx, ValueError(_refusal(parser)))
    for tensors in _ends(order.library, network):
        if any(-1 in shape for _, shape in tensors.values()):
            raise UserError(
                f"{order.onnx} takes any number of frames, an engine one; "
                "export it again without --batch free"
            )
    return network, parser


def _strongly_typed(library: Library) -> int:
    """Flags for `create_network`; from TensorRT 11 on every network is strongly typed."""
    flags = library.module.NetworkDefinitionCreationFlag
    return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0


def _refusal(parser: "trt.OnnxParser") -> str:
    """What a parser says of the first node that it does not take."""
    if not parser.num_errors:
        return "the parser does not say why"
    error: trt.ParserError = parser.get_error(0)
    node = f"node {error.node_name()} ({error.node_operator()}): " if error.node_name() else ""
    return node + one_line(error.desc())


def _config(order: _Order, builder: "trt.Builder") -> "trt.IBuilderConfig":
    module, config = order.library.module, builder.create_builder_config()
    config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, order.workspace_mib << 20)
    config.clear_flag(module.BuilderFlag.TF32)  # fp32 is to mean fp32; for speed there is fp16
    if order.refit:
        config.set_flag(module.BuilderFlag.REFIT)
    if order.capabilities:
        _aim(order, config)
    if order.library.product == "tensorrt":
        _load_timing(order, config)
    return config


def _aim(order: _Order, config: "trt.IBuilderConfig") -> None:
    if order.library.product != "tensorrt_rtx":
        raise UserError("TensorRT builds for the GPU of this machine: leave --capabilities out")
    known = order.library.module.ComputeCapability
    config.num_compute_capabilities = len(order.capabilities)
    for index, capability in enumerate(order.capabilities):
        name = f"SM{capability.replace('.', '')}"
        if not hasattr(known, name):
            raise UserError(
                f"{order.library.title} {order.library.version} does not build for compute "
                f"capability {capability}; use 7.5, 8.0, 8.6, 8.9 or 12.0"
            )
        config.set_compute_capability(getattr(known, name), index)


def _timing_file(order: _Order) -> Path:
    assert order.gpu is not None
    gpu = "".join(c if c.isalnum() else "-" for c in order.gpu.name)
    return BUILT / f"{order.library.version}-{gpu}.timing"


def _load_timing(order: _Order, config: "trt.IBuilderConfig") -> None:
    """How long each kernel took in earlier builds here; without it a build measures all again."""
    content = b""
    with suppress(OSError):
        content = _timing_file(order).read_bytes()
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _save_timing(order: _Order, config: "trt.IBuilderConfig") -> None:
    with suppress(OSError):  # the engine is what counts
        BUILT.mkdir(exist_ok=True)
        write_whole(_timing_file(order), bytes(config.get_timing_cache().serialize()))


def _ends(
    library: Library, network: "trt.INetworkDefinition"
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    def described(tensor: "trt.ITensor") -> tuple[str, list[Any]]:
        return tensor.name, [np.dtype(library.module.nptype(tensor.dtype)).name, [*tensor.shape]]

    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return dict(map(described, inputs)), dict(map(described, outputs))


def _passport(
    order: _Order, says: dict[str, str], model: bytes, content: bytes, ends: Any, seconds: float
) -> Passport:
    gpu = order.gpu
    ahead = "the RTX cards named" if order.capabilities else "any RTX card from Ampere on"
    return Passport(
        graph=says["reenact.graph"],
        product=order.library.product,
        version=order.library.version,
        system=this_system(),
        cuda=gpu.cuda if gpu else None,
        driver=_driver() if gpu else None,
        gpu=gpu.name if gpu and order.library.product == "tensorrt" else ahead,
        capabilities=_targets(order),
        precision=says.get("reenact.precision", "fp32"),  # graphs that do not say are of 0.1.0
        inputs=ends[0],
        outputs=ends[1],
        fingerprint=says["reenact.fingerprint"],
        checkpoint=says.get("reenact.checkpoint"),
        license=says["reenact.license"],
        refit=order.refit,
        parity=json.loads(says.get("reenact.parity", "null")),
        onnx_sha256=sha256(model).hexdigest(),
        engine_sha256=sha256(content).hexdigest(),
        engine_bytes=len(content),
        build_s=round(seconds, 2),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _targets(order: _Order) -> list[str]:
    """Compute capabilities that the engine is for."""
    if order.library.product == "tensorrt" and order.gpu:
        return [order.gpu.capability]
    return list(order.capabilities) or ["8.0+"]


def _metadata(path: Path, model: bytes) -> dict[str, str]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        says = {entry.key: entry.value for entry in onnx.load_from_string(model).metadata_props}
    except DecodeError as error:
        raise damaged(path, error) from error
    for key in ("reenact.graph", "reenact.fingerprint", "reenact.license"):
        if key not in says:
            raise damaged(path, ValueError(f"its metadata lacks {key}"))
    if says["reenact.graph"] != path.stem:
        raise damaged(path, ValueError(f"it holds the graph {says['reenact.graph']}"))
    return says


def _driver() -> str | None:
    """The driver's own version, e.g. "580.95.05"; its tool comes with it on every system."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[0].strip() or None


def _write(engine: Path, content: bytes, passport: Passport) -> None:
    """Put both files down; what is there in between, or after a failure, does not load."""
    try:
        passport_file(engine).unlink(missing_ok=True)
        write_whole(engine, content)
        write_whole(passport_file(engine), passport.text().encode())
    except OSError as error:
        engine.unlink(missing_ok=True)
        raise _unwritable(engine, error, len(content)) from error


def _unwritable(engine: Path, error: OSError, size: int = 0) -> UserError:
    needs = f" ({size / 1e6:.0f} MB)" if size else ""
    return UserError(
        f"cannot write {engine}{needs}: {error.strerror or error}; "
        "make room or choose another folder with --out"
    )
