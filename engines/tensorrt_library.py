"""TensorRT and TensorRT-RTX, the libraries: found, loaded, and what they complain of.

Both have the same interface, so everything else asks for one of them here and goes on alike.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from engines.contract import NO_NVIDIA, has_nvidia
from engines.passport import OPTIONS
from reenact.errors import UserError

if TYPE_CHECKING:
    import tensorrt as trt

TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


@dataclass(frozen=True)
class Library:
    """One of the two products, loaded.

    Attributes:
        product: "tensorrt" or "tensorrt_rtx"; also the name of its module.
        title: for people.
        version: e.g. "11.4.0.106".
        module: what `import` gave.
        logger: the one logger of this process: the library takes no second one.
        complaints: what it logged as errors, since somebody cleared the list.
    """

    product: str
    title: str
    version: str
    module: Any
    logger: "trt.ILogger"
    complaints: list[str]

    def reason(self) -> str:
        """The first complaint in one line, or that there was none."""
        return one_line(self.complaints[0]) if self.complaints else "it does not say why"


@cache
def load_library(product: str) -> Library:
    """Import a product.

    Raises:
        ValueError: there is no such product.
        UserError: it is not installed, or does not load here.
    """
    if product not in OPTIONS:
        raise ValueError(f"got the product {product!r}, expected one of {', '.join(OPTIONS)}")
    title, install = TITLES[product], f'`pip install -e ".[{OPTIONS[product]}]"`'
    if find_spec(product) is None and product == "tensorrt" and not has_nvidia():
        raise UserError(
            f"{title} needs an NVIDIA GPU, {NO_NVIDIA}; TensorRT-RTX builds without one: "
            "`python -m export --to tensorrt-rtx`"
        )
    if find_spec(product) is None:
        raise UserError(f"{title} is not installed; run {install}")
    try:
        module = importlib.import_module(product)
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"{title} is installed but does not load here ({one_line(str(error))}); "
            f"install it again with {install}"
        ) from error
    complaints: list[str] = []
    return Library(
        product, title, module.__version__, module, _logger(module, complaints), complaints
    )


def _logger(module: Any, complaints: list[str]) -> "trt.ILogger":
    class Log(module.ILogger):  # type: ignore[misc]
        """Keeps errors; everything else the library says is for its own developers."""

        def __init__(self) -> None:
            super().__init__()

        def log(self, severity: Any, message: str) -> None:
            if severity <= module.ILogger.ERROR:
                complaints.append(message)

    return Log()


def one_line(message: str) -> str:
    """The words of a message on one line, at most 300 characters."""
    return " ".join(message.split())[:300]
