"""The passport of a built engine: what it was built from and for, and how close it is to torch.

It lies beside the engine, `render.tensorrt_rtx.json` beside `render.tensorrt_rtx.engine`, and an
engine that does not match it is not loaded.
"""

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reenact.errors import UserError

FORMAT = 1
OPTIONS = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}
"""Products, and what they are called on a command line."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA card, as the driver describes it.

    Attributes:
        name: e.g. "NVIDIA GeForce RTX 4090".
        capability: compute capability, e.g. "8.9".
        memory: bytes.
        cuda: the newest CUDA that the driver knows, e.g. "13.0".
    """

    name: str
    capability: str
    memory: int
    cuda: str


@dataclass(frozen=True)
class Passport:
    """What is known of one built engine.

    Attributes:
        graph: one of `engines.GRAPHS`.
        product: "tensorrt" or "tensorrt_rtx".
        version: of the product that built it; engines load in the same version only.
        system: that it was built on, e.g. "Linux x86_64".
        cuda, driver: of the machine it was built on; None without a GPU.
        gpu: the card's name, or in words which cards it is for.
        capabilities: compute capabilities it runs on; "8.0+" means 8.0 and newer.
        precision: of the computation, as the ONNX has it: "fp32", "fp16", "bf16".
        inputs, outputs: name -> [dtype, shape].
        fingerprint: hex, of the generator.
        checkpoint: sha256 of the weights' file; None where the ONNX does not say.
        license: the terms of the weights.
        refit: whether its weights can be exchanged.
        parity: how far the ONNX was from torch, as it says itself; None where it does not.
        onnx_sha256, engine_sha256: of the two files.
        engine_bytes: size of the engine.
        build_s: seconds that building took.
        date: UTC, ISO 8601.
    """

    graph: str
    product: str
    version: str
    system: str
    cuda: str | None
    driver: str | None
    gpu: str
    capabilities: list[str]
    precision: str
    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]
    fingerprint: str
    checkpoint: str | None
    license: str
    refit: bool
    parity: Any
    onnx_sha256: str
    engine_sha256: str
    engine_bytes: int
    build_s: float
    date: str

    def text(self) -> str:
        """The passport as JSON."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=2) + "\n"

    def mismatch(self, version: str, gpu: Gpu | None) -> str | None:
        """Return what is not as it was built for, in words, or None.

        Args:
            version: of the product that is to load it.
            gpu: the card that is to run it; None: the card is not compared.
        """
        if version != self.version:
            return _differs("version", self.version, version)
        if gpu is None:
            return None
        if self.product == "tensorrt" and gpu.name != self.gpu:
            return _differs("gpu", self.gpu, gpu.name)
        if self.product == "tensorrt" and this_system() != self.system:
            return _differs("system", self.system, this_system())
        if not any(_covers(capability, gpu.capability) for capability in self.capabilities):
            return _differs("capabilities", ", ".join(self.capabilities), gpu.capability)
        return None


def this_system() -> str:
    """Operating system and processor, e.g. "Linux x86_64"."""
    return f"{platform.system()} {platform.machine()}"


def passport_file(engine: Path) -> Path:
    """Where an engine's passport lies."""
    return engine.with_suffix(".json")


def engine_file(onnx: Path, product: str) -> Path:
    """Where the engine that is built from an ONNX file lies."""
    return onnx.with_suffix(f".{product}.engine")


def read_passport(engine: Path) -> Passport:
    """Read the passport of an engine.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = passport_file(engine)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if entries.pop("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}")
        return Passport(**entries)
    except FileNotFoundError:
        reason = f"{engine} has no passport ({path.name})"
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        reason = f"{path} is damaged ({str(error) or type(error).__name__})"
    raise UserError(f"{reason}, so nobody knows what it is; {_again(engine)}")


def check_passport(engine: Path, version: str, gpu: Gpu | None) -> Passport:
    """Read an engine's passport and compare it with the files, the product and the card.

    Args:
        engine: `<graph>.<product>.engine`, beside the ONNX it was built from.
        version: of the product that is to load it.
        gpu: the card that is to run it; None: the card is not compared.

    Raises:
        UserError: something differs; says what, what was expected and found, and how to rebuild.
    """
    passport = read_passport(engine)
    if engine.name != f"{passport.graph}.{passport.product}.engine":
        found = f"{passport.graph}.{passport.product}.engine"
        raise _refused(engine, _differs("file", found, engine.name))
    reason = passport.mismatch(version, gpu) or _files_differ(passport, engine)
    if reason is not None:
        raise _refused(engine, reason)
    return passport


def rebuild_command(engine: Path) -> str:
    """The command that builds an engine again."""
    product = engine.suffixes[-2].lstrip(".")
    return f"`python -m engines build {engine.parent} --to {OPTIONS.get(product, product)}`"


def sha256(path: Path) -> str:
    """The hexadecimal digest of a file.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there completely or not at all, also after a power cut.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _files_differ(passport: Passport, engine: Path) -> str | None:
    onnx = engine.with_name(f"{passport.graph}.onnx")
    try:
        if engine.stat().st_size != passport.engine_bytes:
            return _differs("engine_bytes", passport.engine_bytes, engine.stat().st_size)
        for field, path, expected in (
            ("engine_sha256", engine, passport.engine_sha256),
            ("onnx_sha256", onnx, passport.onnx_sha256),
        ):
            found = sha256(path)
            if found != expected:
                return _differs(field, f"{expected[:12]}...", f"{found[:12]}...")
    except OSError as error:
        return f"{error.filename or engine} cannot be read ({error.strerror})"
    return None


def _covers(capability: str, here: str) -> bool:
    def number(words: str) -> tuple[int, ...]:
        return tuple(int(part) for part in words.rstrip("+").split("."))

    if capability.endswith("+"):
        return number(here) >= number(capability)
    return number(here) == number(capability)


def _differs(field: str, expected: object, found: object) -> str:
    return f"its passport says {field} {expected}, found is {found}"


def _refused(engine: Path, reason: str) -> UserError:
    return UserError(f"{engine} does not fit: {reason}; {_again(engine)}")


def _again(engine: Path) -> str:
    return f"build it again: {rebuild_command(engine)}"
