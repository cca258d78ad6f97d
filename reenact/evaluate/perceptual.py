"""LPIPS, FID and FVD, where the user has their networks: TorchScript files, which run nothing but networks.

The three that NVIDIA's and StyleGAN-V's metrics use, called as these call them:

    LPIPS  vgg16.pt                  Zhang et al. 2018, lin-calibrated features whose squared distance is LPIPS
    FID    inception-2015-12-05.pt   Heusel et al. 2017
    FVD    i3d_torchscript.pt        Unterthiner et al. 2018
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from reenact.errors import UserError

BATCH = 16
Floats = npt.NDArray[np.float64]
Pictures = npt.NDArray[np.uint8]


class Features:
    """A network from a TorchScript file that turns pictures or videos into features."""

    def __init__(self, file: Path) -> None:
        """Raises UserError for a file that is no TorchScript."""
        try:
            self._network = torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0][:200]
            raise UserError(
                f"{file} is no TorchScript network ({reason}); give a .pt file"
            ) from error

    @torch.inference_mode()
    def __call__(self, batch: Pictures, **how: bool) -> Floats:
        """Features f64 [N,C] of u8 [N,s,s,3] or [N,T,s,s,3]; `how` is given on to the network."""
        found = []
        for part in np.array_split(batch, -(-len(batch) // BATCH)):
            tensor = torch.from_numpy(part).movedim(-1, 1)  # [N,3,s,s], [N,3,T,s,s]
            features: Tensor = self._network(tensor.float(), **how)
            found.append(features.double().numpy())
        return np.concatenate(found)


def lpips(network: Features, pictures: Pictures, truth: Pictures) -> float:
    """Mean LPIPS between pictures u8 [N,s,s,3] and the right ones."""
    how = {"resize_images": False, "return_lpips": True}
    difference = network(pictures, **how) - network(truth, **how)
    return float(np.square(difference).sum(1).mean())


def fid(network: Features, pictures: Pictures, truth: Pictures) -> float:
    """Frechet distance of Inception's features of two sets of pictures u8 [N,s,s,3]."""
    return frechet(network(pictures, return_features=True), network(truth, return_features=True))


def fvd(network: Features, videos: Pictures, truth: Pictures) -> float:
    """Frechet distance of I3D's features of two sets of videos u8 [N,T,s,s,3]."""
    how = {"rescale": True, "resize": True, "return_features": True}
    return frechet(network(videos, **how), network(truth, **how))


def frechet(a: Floats, b: Floats) -> float:
    """Frechet distance between Gaussians around features [N,C] and [M,C] (Heusel et al. 2017, eq. 6)."""
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(mean + np.trace(cov_a + cov_b - 2 * np.real(root)))
