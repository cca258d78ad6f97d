"""Synthetic talking heads, rendered on the CPU from MakeHuman's CC0 data: what the networks learn from."""
