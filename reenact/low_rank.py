"""A delta of the synthesis network's weights (see `reenact.delta`), to be fitted or applied."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call

from reenact import spaces
from reenact.delta import changes, kernel_shape, shapes
from reenact.generator import Generator, StyledConv, Synthesis, ToRGB


def modulated(synthesis: Synthesis) -> dict[str, StyledConv | ToRGB]:
    """The layers of `spaces.layers` by the names of their modules, in network order."""
    return {
        name: module
        for name, module in synthesis.named_modules()
        if isinstance(module, StyledConv | ToRGB)
    }


class LowRank(nn.Module):
    """The numbers of a delta as parameters, at first without effect; its generator stays as it is."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.dims = generator.dims
        self.synthesis = [generator.synthesis]  # in a list: no part of this module
        self.parts = nn.ParameterList()
        for shape in shapes(generator.dims):
            up_or_bias = len(self.parts) % 3 != 1
            self.parts.append(torch.zeros(shape) if up_or_bias else torch.randn(shape))

    def weights(self) -> dict[str, Tensor]:
        """The changed weights and biases by their names in the synthesis network."""
        found: dict[str, Tensor] = {}
        table = zip(modulated(self.synthesis[0]).items(), spaces.layers(self.dims), strict=True)
        for number, ((name, module), layer) in enumerate(table):
            up, down, bias = list(self.parts)[3 * number : 3 * number + 3]
            rms = module.weight.square().mean((1, 2, 3), keepdim=True).sqrt()
            kernel = (up @ down).reshape(kernel_shape(layer))
            found[f"{name}.weight"] = module.weight + rms * kernel
            found[f"{name}.bias"] = module.bias + bias
        return found

    def forward(self, styles: Tensor) -> Tensor:
        """G'(styles): [N, S] -> [N, 3, R, R]."""
        picture: Tensor = functional_call(self.synthesis[0], self.weights(), (styles,))
        return picture

    def flat(self) -> npt.NDArray[np.float16]:
        """The delta f16 [P] as an avatar carries it."""
        parts = [part.detach().cpu().half().flatten() for part in self.parts]
        delta: npt.NDArray[np.float16] = torch.cat(parts).numpy()
        return delta


@torch.no_grad()
def adjust_weights(generator: Generator, delta: npt.NDArray[np.float16]) -> None:
    """Add an avatar's delta f16 [P] to a generator's weights; UserError where it is not for it."""
    layers = modulated(generator.synthesis).values()
    for module, change in zip(layers, changes(generator.dims, delta), strict=True):
        rms = module.weight.square().mean((1, 2, 3), keepdim=True).sqrt()
        module.weight.add_(rms * torch.from_numpy(change.kernel))
        module.bias.add_(torch.from_numpy(change.bias))
