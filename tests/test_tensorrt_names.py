"""Every name of TensorRT that we use exists, with these arguments, in the libraries themselves.

TensorRT-RTX is asked where it is installed. Of TensorRT 10 and 11 only the bindings can be had
without an account; they load against empty libraries, which is enough for names and signatures.
REENACT_TENSORRT_BINDINGS lists folders with one version each, e.g. made by
`pip install --no-deps --target FOLDER tensorrt_cu13_bindings==11.4.0.106`.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

names = pytest.importorskip("tensorrt_names")

TESTS = Path(__file__).parent
FOLDERS = [Path(p) for p in os.environ.get("REENACT_TENSORRT_BINDINGS", "").split(os.pathsep) if p]
RTX_ONLY = {
    "ComputeCapability",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "ICudaEngine.create_runtime_config",  # TensorRT has it from 10.8 on
    "IRuntimeCache",
    "IRuntimeConfig",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.set_runtime_cache",
}
"""What we use for TensorRT-RTX only; TensorRT need not have it."""
EXPORTED = (
    "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL "
    "createNvOnnxParserRefitter_INTERNAL createNvOnnxParser_INTERNAL getBuilderPluginRegistry "
    "getNvOnnxParserVersion getPluginRegistry initLibNvInferPlugins"
)
"""The functions that the bindings take from TensorRT's libraries; here they give 0."""
STAND_INS = {
    "_Network": "INetworkDefinition",
    "_Tensor": "ITensor",
    "_TimingCache": "ITimingCache",
    "_Config": "IBuilderConfig",
    "_Engine": "ICudaEngine",
    "_Context": "IExecutionContext",
    "_RuntimeCache": "IRuntimeCache",
    "_RuntimeConfig": "IRuntimeConfig",
}


def asked(module: str, **variables: str) -> dict[str, Any]:
    """What tensorrt_names.py says of a library, in a process of its own."""
    done = subprocess.run(
        [sys.executable, TESTS / "tensorrt_names.py", module],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def empty_libraries(folder: Path, major: str) -> None:
    """Libraries that the bindings can be loaded against."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the empty libraries")
    code = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in EXPORTED.split())
    for name, content in (("nvinfer", code), ("nvinfer_plugin", ""), ("nvonnxparser", "")):
        library = f"lib{name}.so.{major}"
        options = ["-shared", "-fPIC", f"-Wl,-soname,{library}", "-x", "c", "-"]
        command = [compiler, "-o", folder / library, *options]
        subprocess.run(command, input=content, text=True, check=True)


@pytest.mark.skipif(not FOLDERS, reason="REENACT_TENSORRT_BINDINGS names no folder")
@pytest.mark.parametrize("bindings", FOLDERS, ids=str)
def test_names_of_tensorrt(bindings: Path, tmp_path: Path) -> None:
    info = next(bindings.glob("tensorrt_*_bindings-*.dist-info"))
    version = info.name.split("-")[1].removesuffix(".dist")
    empty_libraries(tmp_path, version.split(".")[0])
    found = asked("tensorrt_bindings", LD_LIBRARY_PATH=str(tmp_path), PYTHONPATH=str(bindings))
    assert version.startswith(found["version"])
    missing = {problem.removeprefix("there is no ") for problem in found["problems"]}
    assert missing <= RTX_ONLY, missing - RTX_ONLY


def test_names_of_tensorrt_rtx() -> None:
    pytest.importorskip("tensorrt_rtx")
    found = asked("tensorrt_rtx")
    assert found["problems"] == []
    uses = set(found["uses"])
    assert uses >= RTX_ONLY
    assert uses >= {  # one of each of our modules: the walker sees all of them
        "Builder.build_serialized_network",
        "ParserError.desc",
        "ITensor.shape",
        "IBuilderConfig.progress_monitor",
        "IProgressMonitor",
        "ILogger.ERROR",
        "TensorIOMode.OUTPUT",
        "IExecutionContext.execute_async_v3",
        "OnnxParserRefitter.refit_from_file",
        "IRuntimeCache.deserialize",
    }
    # The stand-in has no name that was not looked up in the library just now.
    tree = ast.parse((TESTS / "stand_in_tensorrt.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            kind = STAND_INS.get(node.name, node.name)
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    assert f"{kind}.{method.name}" in uses | {"ILogger.log"}, node.lineno


class Builder:
    def create_network(self) -> None:
        """create_network(self: lib.Builder, flags: typing.SupportsInt) -> lib.Network"""


class Network:
    @property
    def name(self) -> None:
        """(self: lib.Network) -> str"""

    def mark(self) -> None:
        """mark(self: lib.Network, tensor: int, name: str = 'a, b') -> None"""


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("network.name", []),
        ("network.mark(1)", []),
        ("network.mark(1, name='n')", []),
        ("network.title", ["there is no Network.title"]),
        ("network.mark()", ["mark takes no such arguments: network.mark()"]),
        ("network.mark(1, 'n', 2)", ["mark takes no such arguments: network.mark(1, 'n', 2)"]),
        ("network.mark(1, title='n')", ["mark takes no such arguments"]),
        ("x = {module.Mode.IN: 1}", ["there is no Mode"]),
        ("library.module.Builder().create_network(1).title", ["there is no Network.title"]),
        ("self._later.title", ["there is no Network.title"]),
    ],
)
def test_the_walker_finds_what_is_wrong(tmp_path: Path, line: str, problems: list[str]) -> None:
    source = tmp_path / "source.py"
    source.write_text(
        "class A:\n"
        "    def first(self, module):\n"
        "        self._later: 'trt.Network' = self.make(module)\n"
        "    def second(self, module, library):\n"
        "        builder = module.Builder()\n"
        "        network = builder.create_network(flags=1)\n"
        f"        {line}\n"
    )
    walker = names.walk(SimpleNamespace(Builder=Builder, Network=Network), [source])
    assert len(set(walker.problems)) == len(problems)
    for found, words in zip(sorted(set(walker.problems)), problems, strict=True):
        assert found.startswith(words)
    assert {"Builder", "Builder.create_network"} <= walker.uses
