"""Edits that the field has published, for one generator: directions in W and W+, principal
components, single channels of StyleSpace.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reenact import spaces
from reenact.checkpoint import fingerprint
from reenact.edits import Edit
from reenact.errors import UserError
from reenact.generator import Generator
from reenact.unpickle import read_torch, refused

_STYLEGAN1 = ("stylegan_", "pggan_")
"""How the files of InterFaceGAN begin whose directions belong to older generators."""
_COMPONENTS = (("comp", "std"), ("lat_comp", "lat_stdev"))
"""Names of the components and their deviations: e4e's .pt of them, GANSpace's own .npz."""
_SAMPLES = 10_000


def direction_edit(
    generator: Generator,
    path: Path,
    name: str,
    rows: slice = slice(None),
    component: int | None = None,
    limits: tuple[float, float] = (-3, 3),
) -> Edit:
    """An edit from a file with a direction in W or W+ (InterFaceGAN) or with components (GANSpace).

    Args:
        generator: the one it was found in; other generators' directions mean nothing to it.
        path: `.npy`, `.npz` or `.pt`; [w_dim], [1, w_dim] or [rows, w_dim], or components.
        name: what the edit changes.
        rows: which rows of W+ it reaches.
        component: which principal component; a strength of 1 is one standard deviation of it.
        limits: the lowest and highest strength.

    Raises:
        UserError: unreadable, for StyleGAN1 or ProgressiveGAN, or of another width than W.
    """
    if path.name.startswith(_STYLEGAN1):
        raise refused(path, "InterFaceGAN found it in an older generator, not in StyleGAN2")
    content = _read(path)
    direction = _direction(path, content, component)
    dims = generator.dims
    count, width = spaces.rows(dims), dims.w_dim
    if direction.shape not in ((1, width), (count, width)):
        raise refused(
            path, f"it has the shape {tuple(direction.shape)}, W+ has {count} rows of {width}"
        )
    w_plus = torch.zeros(1, count, width)
    w_plus[0, rows] = direction.expand(count, width)[rows]
    with torch.no_grad():
        origin = generator.identity_styles(torch.zeros_like(w_plus))
        styles = generator.identity_styles(w_plus) - origin  # M d: the affine's bias drops out
    return _edit(generator, name, styles[0], limits)


def direction_in_w(generator: Generator, path: Path) -> Tensor:
    """A direction in W from a file like `direction_edit`'s: f32 [w_dim], where the generator is.

    Raises:
        UserError: unreadable, or no direction in this generator's W.
    """
    direction = _direction(path, _read(path), None)
    if direction.shape != (1, generator.dims.w_dim) or not bool(direction.isfinite().all()):
        raise refused(path, f"it is {tuple(direction.shape)}, no one direction in W")
    return direction[0].to(generator.w_avg.device)


def _direction(path: Path, content: Any, component: int | None) -> Tensor:
    """f32 [1 or rows, w_dim] of what a file holds."""
    if not isinstance(content, dict):
        if component is not None:
            raise refused(path, "it holds one direction, no components: leave --component out")
        direction = _tensor(content)
        return direction.reshape(-1, direction.shape[-1] if direction.ndim else 1)
    for components, deviations in _COMPONENTS:
        if components in content and deviations in content:
            found, deviation = _tensor(content[components]), _tensor(content[deviations]).flatten()
            if component is None or not 0 <= component < len(found):
                raise UserError(
                    f"{path} holds {len(found)} components; choose one with "
                    f"--component 0 to {len(found) - 1}"
                )
            return found[component].reshape(1, -1) * deviation[component]
    raise refused(path, "it holds neither a direction nor GANSpace's components")


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(np.asarray(value), dtype=torch.float32)


def _read(path: Path) -> Any:
    """An array, or a dictionary of arrays."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; check the path")
    if path.suffix == ".pt":
        return read_torch(path)
    try:
        content = np.load(path)  # never a pickle
        return dict(content) if isinstance(content, np.lib.npyio.NpzFile) else content
    except (OSError, ValueError, EOFError) as error:
        raise refused(path, f"it is no array that NumPy reads ({error})") from error


def channel_edit(
    generator: Generator, channel: str, name: str, limits: tuple[float, float] = (-3, 3)
) -> Edit:
    """An edit of one StyleSpace channel, e.g. "9_409": layer 9 (toRGB counted too), channel 409.

    A strength of 1 is the channel's standard deviation over the generator's W, as in StyleSpace
    (Wu et al. 2021, section 5).

    Raises:
        UserError: no such channel.
    """
    layers = spaces.layers(generator.dims)
    found = re.fullmatch(r"(\d+)_(\d+)", channel)
    layer, index = (int(found[1]), int(found[2])) if found else (-1, -1)
    if not (0 <= layer < len(layers) and index < layers[layer].in_channels):
        raise UserError(
            f"there is no channel {channel!r}; write LAYER_CHANNEL, the layer from 0 to "
            f"{len(layers) - 1}: 9_409"
        )
    where = layers[layer].styles.start + index
    with torch.no_grad():
        z = torch.randn(_SAMPLES, generator.dims.z_dim, generator=torch.Generator().manual_seed(0))
        affine = generator.affines.layers[layer]
        values: Tensor = affine(generator.mapping(z))[:, index]
    styles = torch.zeros(spaces.style_count(generator.dims))
    styles[where] = values.std()
    return _edit(generator, name, styles, limits)


def _edit(generator: Generator, name: str, styles: Tensor, limits: tuple[float, float]) -> Edit:
    if not bool(styles.isfinite().all()):
        raise UserError("the direction holds NaN or infinity; get the file again")
    return Edit(
        name=name,
        styles=styles.numpy().astype(np.float32),
        limits=np.array(limits, np.float32),
        fingerprint=fingerprint(generator),
        licence="As its authors say.",
    )
