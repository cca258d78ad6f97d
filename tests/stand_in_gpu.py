"""A GPU for machines without one, for a whole process: `pytest -p stand_in_gpu`.

libcuda is built from stand_in_driver.c and loaded before anything asks for the real one;
`tensorrt` and `tensorrt_rtx` are stand_in_tensorrt.py. Never in a process that does real work.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
FOLDER = "STAND_IN_FOLDER"
"""Variable that names a folder for libcuda; the process that sets it removes the folder."""


def build_driver(folder: Path) -> Path:
    """Compile the stand-in driver into a folder; raises FileNotFoundError without a compiler."""
    library = folder / "libcuda.so.1"
    if not library.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise FileNotFoundError("no C compiler")
        options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-Wl,-soname,{library.name}"]
        source = TESTS / "stand_in_driver.c"
        subprocess.run([compiler, *options, "-o", library, source, "-ldl"], check=True)
    return library


@cache
def driver() -> ctypes.CDLL:
    """The stand-in driver, loaded."""
    folder = Path(os.environ.get(FOLDER) or tempfile.mkdtemp())
    return ctypes.CDLL(str(build_driver(folder)), ctypes.RTLD_GLOBAL)


def install() -> None:
    """Put the stand-ins in place, and let the library that was asked for be the only one."""
    driver()
    if hasattr(sys, "setdlopenflags"):  # pycuda names the whole driver; what is not called may lack
        sys.setdlopenflags(os.RTLD_LAZY)
    import engines.cuda

    wanted = os.environ.get("STAND_IN_LIBRARY", "cuda-bindings")
    for name in {"cuda-bindings": ["pycuda"], "pycuda": ["cuda.bindings"]}[wanted]:
        del engines.cuda.LIBRARIES[name]
    for name in ("tensorrt", "tensorrt_rtx"):
        spec = importlib.util.spec_from_file_location(name, TESTS / "stand_in_tensorrt.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def pytest_configure() -> None:
    install()
