"""The import rule, reenact <- engines <- {export, realtime} <- run_live, and no torch live."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANKS = {"reenact": 0, "engines": 1, "export": 2, "realtime": 2, "run_live": 3}

NETWORKS = (
    "ops",
    "generator",
    "encoders",
    "hybrid",
    "graphs",
    "checkpoint",
    "unpickle",
    "foreign",
    "foreign_encoder",
    "field_edits",
    "low_rank",
    "carry",
    "adjust",
)
ON_TOP = ("reenact.__main__", "reenact.avatar_commands", "reenact.portrait_model")
"""Commands of the package that stand on the engines, as an app does; nothing else may import them."""

COMMANDS = (
    "reenact.__main__",
    "reenact.avatar_commands",
    "reenact.train",
    "reenact.evaluate",
    "export",
)
WITH_TORCH = (*(f"reenact.{name}" for name in NETWORKS), *COMMANDS, "engines.torch_engine")
"""The only modules and packages that may import torch, or one another, at all."""

TRAINING_ONLY = ("torch", "numba", "scipy", "onnx", "onnxscript")
"""What the base install lacks: the live app must be importable without."""


def source_files() -> list[Path]:
    files = [ROOT / "run_live.py"] if (ROOT / "run_live.py").exists() else []
    for room in ("reenact", "engines", "export", "realtime"):
        files += sorted((ROOT / room).rglob("*.py"))
    return [file for file in files if "built" not in file.parts]


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def imported(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Full names of everything a module imports, wherever in it; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: -node.level + is_package or None]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What breaks the rule in one module, as sentences."""
    room, found = module.split(".")[0], []
    for name in imported(source, module, is_package):
        other = name.split(".")[0]
        on_top = within(module, ON_TOP) and other == "engines"
        if other in RANKS and other != room and RANKS[other] >= RANKS[room] and not on_top:
            found.append(f"{module} imports {name}: {other} does not lie below {room}")
        if within(module, WITH_TORCH):
            continue
        if other == "torch":
            found.append(f"{module} imports torch")
        if within(name, WITH_TORCH) and module != "engines":  # which loads its backends when asked
            found.append(f"{module} imports {name}, which imports torch")
    return found


def test_rule_holds_in_every_file() -> None:
    files = source_files()
    assert len(files) > 5
    found = []
    for file in files:
        package = file.name == "__init__.py"
        found += violations(file.read_text(encoding="utf-8"), module_name(file), package)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("reenact.face", "import torch"),
        ("reenact.avatar", "def f():\n    from torch import nn"),
        ("reenact.spaces", "from engines import load_engine"),
        ("reenact.avatar", "from reenact.generator import Generator"),
        ("reenact.avatar", "from .hybrid import Puppeteer"),
        ("reenact.avatar", "from . import graphs"),
        ("engines.contract", "import realtime.loop"),
        ("engines.openvino_engine", "from engines import torch_engine"),
        ("export.onnx", "import realtime"),
        ("realtime.puppet", "from export import __main__"),
        ("realtime.puppet", "from reenact import hybrid"),
        ("run_live", "import torch.nn"),
    ],
)
def test_rule_would_be_broken_by(module: str, source: str) -> None:
    assert violations(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("reenact.generator", "import torch\nfrom reenact import ops"),
        ("reenact.train.data", "from reenact.hybrid import Puppeteer"),
        ("engines", "def f():\n    from engines.torch_engine import TorchEngine"),
        ("export.check", "import torch\nfrom reenact import graphs\nimport engines"),
        ("realtime.puppet", "from engines import load_engine\nfrom reenact.face import cut"),
        ("run_live", "from realtime import loop"),
        ("reenact.face", "import torchlight"),
    ],
)
def test_rule_allows(module: str, source: str) -> None:
    assert not violations(source, module)


def live_modules() -> list[str]:
    """The modules of the live app that exist, but for scripts."""
    names = [module_name(file) for file in source_files() if file.name != "__main__.py"]
    live = (
        "reenact.spaces",
        "reenact.face",
        "reenact.avatar",
        "reenact.edits",
        "reenact.errors",
        "reenact.starter",
    )
    whole = (*live, "engines", "realtime", "run_live")
    wrappers = tuple(n for n in names if n.endswith("_engine") or n.startswith("engines.cuda_by_"))
    return [name for name in names if within(name, whole) and not within(name, wrappers)]


def test_live_app_imports_without_the_training_libraries() -> None:
    pytest.importorskip("cv2")
    lines = ["import importlib, sys"]
    lines += [f"sys.modules[{name!r}] = None" for name in TRAINING_ONLY]
    lines += [f"importlib.import_module({name!r})" for name in live_modules()]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
