"""A portrait set in motion by somebody else's: what manifold adjustment fits the generator to.

A guide, a face that the generator knows well, is drawn on the way from the portrait's own pose to
another. Where its pixels went, step by step (dense inverse search, Kroeger et al. 2016), says where
the portrait's would go. What the motion uncovers, an open mouth or a closed lid, comes from the guide in the
portrait's colours, and around eyes and mouth whatever a flow does not explain.

Pictures are f32 [S,S,3] in -1..1, fields f32 [S,S,2] say where, px from here, a pixel of the result looks (x, y).
"""

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise, permutations

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.face import cascade

Picture = npt.NDArray[np.float32]

_SIZE = 96  # px, at which faces are laid over one another
_SHIFT = 0.14  # of the side: a face lies elsewhere in its window by less
_EYES = "haarcascade_eye_tree_eyeglasses.xml"
_EYE_SIZE = 512  # px of the picture in which eyes are looked for
_EYE = (0.07, 0.25)  # of its side: how large the cascade's box of an eye may be
_APART, _LEANT = (0.25, 0.8), math.radians(35)  # in -1..1: two eyes' distance; their line
_GRID = 6  # control points along each side of the field that does it
_STEPS = 120
_STIFF = 1.5  # what bending counts beside likeness
_REACH = 0.06  # of the side: how far from a face's mean its features are taken to lie
_EDGE = 1 / 128  # of the side: edges that are off by less are no difference
_COARSE = 1 / 16  # of the side: colours and light are wider than that, features finer
_SAME, _OTHER = 0.15, 0.4  # in -1..1: from where to where carried and drawn guide are different
_LIVELY = 5.0  # what that difference counts around eyes and mouth
_BROAD, _HIGH = 0.5, 0.35  # half axes of an eye's surroundings, in distances between the eyes
_MOUTH = 1.05  # from between the eyes down to the mouth, if the face is not turned
_MOUTH_SIZE = 1.3  # of a mouth's surroundings, as those of an eye are 1
_NEAR = 0.5  # what it counts, squared, how far from there a mouth is
_USUAL_EYES = ((-0.25, -0.06), (0.25, -0.06))  # of a face in its window


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


def carry(
    portrait: Picture, way: Sequence[Picture], lively: Picture
) -> tuple[Picture, Picture, Picture]:
    """The portrait after the motion that leads the guide from the first picture to the last.

    Also what of it is new, and so the guide's: f32 [S,S,1] in 0..1; and `lively`, carried. That is
    f32 [S,S], as from `eyes_and_mouth`: where lids, gaze and lips are the guide's as soon as they change.
    """
    before, after = way[0], way[-1]
    field = np.zeros((*before.shape[:2], 2), np.float32)
    for earlier, later in pairwise(way):  # small steps: of a long one no flow is to be trusted
        step = flow(earlier, later)
        field = step + warp(field, step)
    wrong = np.abs(_blurred(warp(before, field) - after, _EDGE * len(portrait))).max(axis=2)
    lively = warp(lively, field)
    wrong = wrong * (1 + (_LIVELY - 1) * lively)
    new = _blurred(((wrong - _SAME) / (_OTHER - _SAME)).clip(0, 1), 1.5)[..., None]
    colours = warp(_blurred(portrait - before, _COARSE * len(portrait)), field)
    moved: Picture = (1 - new) * warp(portrait, field) + new * (after + colours)
    return moved.clip(-1, 1), new, lively


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


def eyes(picture: Tensor) -> Tensor | None:
    """Where both eyes of a face are, the one on the left first: (x, y) [2,2] in -1..1 of [1,3,S,S]; None unsure.

    As Haar cascades see open eyes, painted ones, too.
    """
    large = F.interpolate(picture.clamp(-1, 1), size=_EYE_SIZE, mode="bicubic")
    grey = _grey_levels(np.ascontiguousarray(large[0].movedim(0, 2).numpy()))
    sizes = [(round(share * _EYE_SIZE),) * 2 for share in _EYE]
    boxes, supports = cascade(_EYES).detectMultiScale2(
        grey, 1.05, 3, minSize=sizes[0], maxSize=sizes[1]
    )
    found = [
        (support, complex(x + w / 2, y + h / 2) / _EYE_SIZE * 2 - (1 + 1j))
        for (x, y, w, h), support in zip(boxes, supports, strict=True)
    ]
    pairs = [
        (min(a[0], b[0]), a[1], b[1])
        for a, b in permutations(found, 2)
        if _APART[0] < abs(b[1] - a[1]) < _APART[1] and abs(cmath.phase(b[1] - a[1])) < _LEANT
    ]
    if not pairs:
        return None
    _, left, right = max(pairs, key=lambda pair: pair[0])
    return torch.tensor([[left.real, left.imag], [right.real, right.imag]])


def eyes_on_eyes(guide: Tensor, portrait: Tensor) -> Tensor:
    """The similarity that lays a guide's eyes [2,2] over a portrait's: [2,3], from the portrait to the guide."""
    (g, h), (p, q) = (
        [complex(*point) for point in points.tolist()] for points in (guide, portrait)
    )
    turn = (h - g) / (q - p)
    shift = g - turn * p
    return torch.tensor([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def placed(guides: Tensor, portrait: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """How guides are laid over a portrait: [n,2,3], from its places in -1..1 to theirs; its eyes and mouth [3,2].

    Eyes over eyes where both are seen, else shifted, and mouths over its mouth. `guides` f32 [n,3,S,S] and
    the portrait [1,3,S,S] in the same pose, `weight` f32 [1,1,S,S]: where a guide's face is.
    """
    wanted, places = eyes(portrait), shifted(guides, portrait, weight)
    for place, guide in zip(places, guides, strict=True):
        if wanted is not None and (seen := eyes(guide[None])) is not None:
            place.copy_(eyes_on_eyes(seen, wanted))
    pair = torch.tensor(_USUAL_EYES) if wanted is None else wanted
    mouth = mouth_below(pair, guides, portrait, places)
    theirs = _with_one(torch.cat([pair, _below(pair)[None]])) @ places.mT
    mine = _with_one(torch.cat([pair, mouth[None]]))
    return torch.linalg.solve(mine, theirs).mT, torch.cat([pair, mouth[None]])


def mouth_below(pair: Tensor, guides: Tensor, portrait: Tensor, places: Tensor) -> Tensor:
    """Where below the eyes [2,2] a portrait [1,3,S,S] looks most as guides [n,3,S,S] do around their mouths: [2].

    Turned, a face's eyes stand closer together, so that their distance alone does not say where. All guides
    are asked, laid over it by `places` [n,2,3].
    """
    small = [F.interpolate(x, size=_SIZE, mode="area") for x in (guides, portrait)]
    grid = F.affine_grid(places, [len(places), 1, _SIZE, _SIZE], align_corners=False)
    mouths = F.grid_sample(features(small[0]), grid, align_corners=False)
    right = pair[1] - pair[0]
    steps = torch.cartesian_prod(torch.linspace(-0.2, 0.2, 9), torch.linspace(-0.2, 0.5, 29))
    shifts = steps @ torch.stack([right, _turned(right)])
    moves = torch.cat([torch.eye(2).expand(len(shifts), -1, -1), shifts[:, :, None]], dim=2)
    grid = F.affine_grid(moves, [len(moves), 1, _SIZE, _SIZE], align_corners=False)
    there = F.grid_sample(
        features(small[1]).expand(len(moves), -1, -1, -1), grid, align_corners=False
    )
    counts = torch.from_numpy(_ellipse(_SIZE, _below(pair), _MOUTH_SIZE * right))[None, None]
    score = sum(alike(mouth[None], there, counts) for mouth in mouths) / len(mouths)
    best = (score - _NEAR * steps.square().sum(1)).argmax()
    return _below(pair) + shifts[best]


def eyes_and_mouth(places: Tensor, side: int) -> Picture:
    """Soft ellipses around eyes and mouth, (x, y) [3,2] in -1..1 as from `placed`: f32 [side,side] in 0..1."""
    right = places[1] - places[0]
    sizes = (1.0, 1.0, _MOUTH_SIZE)
    ellipses = [
        _ellipse(side, place, size * right) for place, size in zip(places, sizes, strict=True)
    ]
    around: Picture = np.maximum.reduce(ellipses)
    return around


def shifted(guides: Tensor, portrait: Tensor, weight: Tensor) -> Tensor:
    """The shifts [n,2,3], as `placed`, with which the features of guides lie best over a portrait's."""
    small = [F.interpolate(x, size=_SIZE, mode="area") for x in (guides, portrait, weight)]
    seen, wanted, counts = features(small[0]), features(small[1]), small[2]
    reach = round(_SHIFT * _SIZE)
    around = F.pad(wanted, [reach] * 4)
    norm = (counts * seen.square()).sum((1, 2, 3))[:, None, None]
    norm = norm * F.conv2d(around.square(), counts)[0]
    score = F.conv2d(around, counts * seen)[0] / norm.sqrt().clamp_min(1e-6)
    where, side = score.flatten(1).argmax(dim=1), score.shape[-1]
    shift = torch.stack([where % side, where // side], dim=1) - reach
    still = torch.eye(2, 3).repeat(len(guides), 1, 1)
    still[:, :, 2] = -2 * shift.float() / _SIZE
    return still


def alike(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Weighted correlation of features [N,1,S,S], -1..1: [N]."""

    def total(x: Tensor) -> Tensor:
        return (weight * x).sum((1, 2, 3))

    return total(first * second) / (total(first**2) * total(second**2)).sqrt().clamp_min(1e-6)


def laid_over(
    guide: Tensor, portrait: Tensor, weight: Tensor, place: Tensor
) -> tuple[Picture, float]:
    """The smooth field that lays a guide's features over a portrait's, f32 [S,S,2], px; and how `alike` they are then.

    Guide and portrait as for `placed`, `weight` f32 [1,1,S,S] what the portrait's pixels count,
    `place` [2,3] what to begin with.
    """
    side = guide.shape[-1]
    small = [F.interpolate(x, size=_SIZE, mode="area") for x in (guide, portrait, weight)]
    wanted, seen = features(small[1]), features(small[0])
    begin = F.affine_grid(place[None], [1, 1, _SIZE, _SIZE], align_corners=False)
    bend = torch.zeros(1, 2, _GRID, _GRID, requires_grad=True)
    optimizer = torch.optim.Adam([bend], 0.01)
    for step in range(_STEPS):
        blur = 5 if step < _STEPS // 2 else 1  # far and vague first
        dense = F.interpolate(bend, size=_SIZE, mode="bicubic", align_corners=True)
        moved = F.grid_sample(seen, begin + dense.movedim(1, 3), align_corners=False)
        pair = [F.avg_pool2d(x, blur, 1, blur // 2) for x in (moved, wanted)]
        bending = sum(bend.diff(dim=axis).square().mean() for axis in (2, 3))
        same = alike(pair[0], pair[1], small[2]).mean()
        loss = 1 - same + _STIFF * 100 * bending
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    still, begin = (
        F.affine_grid(x[None], [1, 1, side, side], align_corners=False)[0]
        for x in (torch.eye(2, 3), place)
    )
    dense = F.interpolate(bend.detach(), size=side, mode="bicubic", align_corners=True)
    field = begin - still + dense[0].movedim(0, 2)
    return np.ascontiguousarray(field.numpy() * side / 2), float(same.detach())


def _turned(line: Tensor) -> Tensor:
    """What is to the right, [2], turned to lead down."""
    return torch.stack([-line[1], line[0]])


def _below(pair: Tensor) -> Tensor:
    """Where the mouth is, [2], of a face that is not turned, by its eyes [2,2]."""
    return pair.mean(dim=0) + _MOUTH * _turned(pair[1] - pair[0])


def _with_one(points: Tensor) -> Tensor:
    """[n,2] -> [n,3], for affine maps."""
    return F.pad(points, [0, 1], value=1.0)


def _ellipse(side: int, centre: Tensor, right: Tensor) -> Picture:
    """A soft ellipse, f32 [side,side]: `right` [2] is one distance between the eyes."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, side, dtype=np.float32)] * 2)
    place = (x + 1j * y - complex(*centre.tolist())) / complex(*right.tolist())
    distance = (place.real / _BROAD) ** 2 + (place.imag / _HIGH) ** 2
    return np.asarray(np.exp(-(distance**2)), np.float32)


def _grey_levels(picture: Picture) -> npt.NDArray[np.uint8]:
    levels = (picture * 127.5 + 128).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), np.uint8)


def _blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
