"""Weights -> ONNX: `python -m export`; nothing is written that does not equal torch."""
