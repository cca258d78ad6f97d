"""Shared by several test files: a small model that is exported once."""

import os
from pathlib import Path

# Two threads of one process fight over two busy cores; one is steady. Read when torch and numba load.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests see no settings file and no avatars of whoever runs them.
for folder in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
    os.environ[folder] = str(Path(__file__).parent / "no-settings")

import pytest


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder, 32 px: a checkpoint with random weights, and its three graphs."""
    if "REENACT_TEST_MODEL" in os.environ:  # tests run by a test: it is made already
        return Path(os.environ["REENACT_TEST_MODEL"])
    torch = pytest.importorskip("torch")
    for library in ("safetensors", "onnx", "onnxscript"):
        pytest.importorskip(library)
    from export.__main__ import export
    from reenact.checkpoint import save_checkpoint
    from reenact.encoders import EncoderDims
    from reenact.hybrid import Puppeteer
    from reenact.spaces import Dims

    torch.manual_seed(4)
    dims = Dims(resolution=32, channel_base=512, channel_max=32, w_dim=16, z_dim=16)
    encoder = EncoderDims(
        crop=64, width=8, pyramid=16, submodule=16, embedding=16, motion=8, hidden=32
    )
    puppeteer = Puppeteer(dims, encoder)
    with torch.no_grad():
        puppeteer.generator.w_avg.normal_()
        for name, tensor in puppeteer.state_dict().items():
            if name.endswith("bias"):
                tensor.normal_(0, 0.1)
        for module in puppeteer.modules():  # as they start, they hardly depend on the input
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                torch.nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the next pass sets its mean and variance
        puppeteer.train()
        crops = torch.nn.functional.interpolate(torch.rand(2, 16, 3, 4, 4) * 2 - 1, (3, 64, 64))
        puppeteer(*crops)
    folder = tmp_path_factory.mktemp("model")
    save_checkpoint(puppeteer, folder / "starter.safetensors", {"license": "CC0-1.0 (a test)"})
    export(folder / "starter.safetensors", folder)
    return folder
