"""A portrait set in motion by somebody else's: what manifold adjustment fits the generator to.

A guide, a face that the generator knows well, is drawn on the way from the portrait's own pose to
another. Where its pixels went, step by step (dense inverse search, Kroeger et al. 2016), says where
the portrait's would go. What the motion uncovers, an open mouth or a closed lid, comes from the guide in the
portrait's colours. Pictures are f32 [S,S,3] in -1..1, fields f32 [S,S,2] say where, px from here, a
pixel of the result looks (x, y).
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Picture = npt.NDArray[np.float32]

_SIZE = 96  # px, at which faces are laid over one another
_SHIFT = 0.14  # of the side: a face lies elsewhere in its window by less
_GRID = 6  # control points along each side of the field that does it
_STEPS = 120
_STIFF = 1.5  # what bending counts beside likeness
_REACH = 0.06  # of the side: how far from a face's mean its features are taken to lie
_EDGE = 1 / 128  # of the side: edges that are off by less are no difference
_COARSE = 1 / 16  # of the side: colours and light are wider than that, features finer
_SAME, _OTHER = 0.15, 0.4  # in -1..1: from where to where carried and drawn guide are different


def warp(picture: Picture, field: Picture) -> Picture:
    """What a field shows of a picture; beyond its edge the edge goes on."""
    height, width = field.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    seen = cv2.remap(
        picture, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.float32)


def flow(before: Picture, after: Picture) -> Picture:
    """Where each pixel of `after` was in `before`: a field."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(_grey_levels(after), _grey_levels(before), None)  # type: ignore[call-overload]
    return np.asarray(found, np.float32)


def carry(portrait: Picture, way: Sequence[Picture]) -> tuple[Picture, Picture]:
    """The portrait after the motion that leads the guide from the first picture to the last.

    Also what of it is new, and so the guide's: f32 [S,S,1] in 0..1.
    """
    before, after = way[0], way[-1]
    field = np.zeros((*before.shape[:2], 2), np.float32)
    for earlier, later in pairwise(way):  # small steps: of a long one no flow is to be trusted
        step = flow(earlier, later)
        field = step + warp(field, step)
    wrong = np.abs(_blurred(warp(before, field) - after, _EDGE * len(portrait))).max(axis=2)
    new = _blurred(((wrong - _SAME) / (_OTHER - _SAME)).clip(0, 1), 1.5)[..., None]
    colours = warp(_blurred(portrait - before, _COARSE * len(portrait)), field)
    moved: Picture = (1 - new) * warp(portrait, field) + new * (after + colours)
    return moved.clip(-1, 1), new


def features(pictures: Tensor) -> Tensor:
    """Light and dark against their surroundings, whatever the colours: [N,3,S,S] -> [N,1,S,S]."""
    luma = (pictures * pictures.new_tensor((0.3, 0.6, 0.1))[:, None, None]).sum(1, keepdim=True)
    reach = 2 * round(_REACH * luma.shape[-1]) + 1

    def around(x: Tensor) -> Tensor:
        for _ in range(2):
            x = F.avg_pool2d(x, reach, 1, reach // 2, count_include_pad=False)
        return x

    detail = luma - around(luma)
    return detail / (around(detail.square()).sqrt() + 0.05)


def placed(guides: Tensor, portrait: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """How far guides must be shifted for their features to lie best over a portrait's.

    `guides` f32 [n,3,S,S] and the portrait [1,3,S,S] in the same pose, `weight` f32 [1,1,S,S]:
    where a guide's face is. Returns the correlations [n] and shifts (x, y) [n,2], shares of S.
    """
    small = [F.interpolate(x, size=_SIZE, mode="area") for x in (guides, portrait, weight)]
    seen, wanted, counts = features(small[0]), features(small[1]), small[2]
    reach = round(_SHIFT * _SIZE)
    around = F.pad(wanted, [reach] * 4)
    norm = (counts * seen.square()).sum((1, 2, 3))[:, None, None]
    norm = norm * F.conv2d(around.square(), counts)[0]
    score = F.conv2d(around, counts * seen)[0] / norm.sqrt().clamp_min(1e-6)
    best, where = score.flatten(1).max(dim=1)
    side = score.shape[-1]
    shift = torch.stack([where % side, where // side], dim=1) - reach
    return best, shift.float() / _SIZE


def alike(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Weighted correlation of features [N,1,S,S], -1..1: [N]."""

    def total(x: Tensor) -> Tensor:
        return (weight * x).sum((1, 2, 3))

    return total(first * second) / (total(first**2) * total(second**2)).sqrt().clamp_min(1e-6)


def laid_over(guide: Tensor, portrait: Tensor, weight: Tensor, shift: Tensor) -> Picture:
    """The smooth field that lays a guide's features over a portrait's: f32 [S,S,2], px.

    Arguments as for `placed`; `shift` [2] is what to begin with.
    """
    side = guide.shape[-1]
    small = [F.interpolate(x, size=_SIZE, mode="area") for x in (guide, portrait, weight)]
    wanted, seen = features(small[1]), features(small[0])
    start = (-2 * shift)[None, :, None, None]  # in the units of grid_sample
    field = start.repeat(1, 1, _GRID, _GRID).requires_grad_()
    cells = [round(float(k) * _SIZE) for k in shift]
    counts = torch.roll(small[2], (cells[1], cells[0]), (2, 3))
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, _SIZE, _SIZE], align_corners=False)
    optimizer = torch.optim.Adam([field], 0.01)
    for step in range(_STEPS):
        blur = 5 if step < _STEPS // 2 else 1  # far and vague first
        dense = F.interpolate(field, size=_SIZE, mode="bicubic", align_corners=True)
        moved = F.grid_sample(seen, still + dense.movedim(1, 3), align_corners=False)
        pair = [F.avg_pool2d(x, blur, 1, blur // 2) for x in (moved, wanted)]
        bending = sum(field.diff(dim=axis).square().mean() for axis in (2, 3))
        loss = 1 - alike(pair[0], pair[1], counts).mean() + _STIFF * 100 * bending
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    dense = F.interpolate(field.detach(), size=side, mode="bicubic", align_corners=True)
    return np.ascontiguousarray(dense[0].movedim(0, 2).numpy() * side / 2)


def _grey_levels(picture: Picture) -> npt.NDArray[np.uint8]:
    levels = (picture * 127.5 + 128).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), np.uint8)


def _blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
