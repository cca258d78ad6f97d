"""Run a network: one contract, and ONNX Runtime, OpenVINO and torch behind it."""

from engines.choose import Choice, backends, choose_backend, load_engine, model_info
from engines.contract import GRAPHS, Engine, ModelInfo, Overlapping

__all__ = [
    "GRAPHS",
    "Choice",
    "Engine",
    "ModelInfo",
    "Overlapping",
    "backends",
    "choose_backend",
    "load_engine",
    "model_info",
]
