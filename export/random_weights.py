"""A model of any size with random weights: to build engines for, and to time them."""

import torch
from torch import nn

from reenact.encoders import EncoderDims
from reenact.generator import StyledConv, ToRGB
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

_COLOURS = 0.13  # standard deviation of toRGB weights: the picture is mostly between -1 and 1


def config_f(resolution: int) -> Dims:
    """The sizes of StyleGAN2's configuration F (Karras et al. 2020), with noise."""
    return Dims(resolution, 32768, 512, w_dim=512, z_dim=512, mapping_layers=8, noise=True)


def random_puppeteer(dims: Dims, encoder: EncoderDims, seed: int = 0) -> Puppeteer:
    """Return a model in eval mode whose activations are as large as a trained one's."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        puppeteer = Puppeteer(dims, encoder)
        puppeteer.generator.w_avg.normal_()
        for module in puppeteer.generator.synthesis.modules():
            if isinstance(module, StyledConv):
                module.bias.normal_(0, 0.1)
                if module.noise is not None:
                    module.noise.strength.normal_(0, 0.1)
            elif isinstance(module, ToRGB):
                module.weight.normal_(0, _COLOURS)
        _randomise_encoders(puppeteer)
    return puppeteer.eval()


def _randomise_encoders(puppeteer: Puppeteer) -> None:
    for module in puppeteer.modules():  # as they start, they hardly depend on the crop
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the next pass sets its mean and variance
    crop = puppeteer.encoder.crop
    puppeteer.train().pyramid(nn.functional.interpolate(torch.rand(8, 3, 6, 6) * 2 - 1, crop))
