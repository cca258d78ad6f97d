"""Everything that is measured of one model, and in which order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reenact.evaluate import leakage, perceptual, reenactment
from reenact.evaluate.drivers import Mesh, follow, mean_of
from reenact.evaluate.edits import measure_edits
from reenact.evaluate.material import PLACES, Material
from reenact.evaluate.model import Model
from reenact.evaluate.perceptual import Features
from reenact.evaluate.read import SOURCES, read
from reenact.evaluate.reenactment import Reenacted
from reenact.evaluate.witness import Witness

Figures = dict[str, Any]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Means:
    """What to measure with.

    Attributes:
        material: the test people.
        witness: who looks at synthetic faces.
        networks: of perceptual measures, by "lpips", "fid" and "fvd".
        drivers: videos of real drivers; none: they are left out.
        mesh: the face mesh that follows real drivers.
        avatars: so many of the model's avatars are driven by them.
    """

    material: Material
    witness: Witness
    networks: dict[str, Features] = field(default_factory=dict)
    drivers: tuple[Path, ...] = ()
    mesh: Mesh | None = None
    avatars: int = 3


def measure(model: Model, means: Means, tell: Tell) -> Figures:
    """All figures of a model, by group and name; `tell` is told what comes next."""
    material, witness = means.material, means.witness
    tell("reading test people")
    readings = read(model, material)
    tell("same identity")
    studio, anywhere = PLACES
    same = reenactment.same_identity(model, material, readings, witness, 0, len(SOURCES))
    elsewhere = reenactment.same_identity(model, material, readings, witness, 1, 1)
    figures: Figures = {
        f"same identity, {studio}": reenactment.quality(same),
        f"same identity, {anywhere}": reenactment.quality(elsewhere),
        "a still picture": reenactment.copied(material),
        "robustness": reenactment.robustness(same),
        "perceptual": _perceptual(means.networks, same),
    }
    del same, elsewhere  # hundreds of megabytes
    tell("cross identity")
    cross = reenactment.cross_identity(model, material, readings, witness)
    figures["cross identity"] = reenactment.quality(cross) | reenactment.following(cross)
    if "fvd" in means.networks:
        videos = cross.pictures[:, 0], cross.truth[:, 0]
        figures["perceptual"]["fvd"] = perceptual.fvd(means.networks["fvd"], *videos)
    del cross
    tell("leakage")
    figures["S_F"] = leakage.deformations(readings) | leakage.reading(model, material, readings)
    figures["leakage"] = leakage.pictures(model, material, readings, witness)
    figures["jitter"] = {"jitter": leakage.jitter(model, material, readings, witness)}
    tell("edits")
    figures["edits"] = measure_edits(model, readings, witness)
    if means.mesh:
        figures["real drivers"] = follow_drivers(model, means, tell)
    return figures


def _perceptual(networks: dict[str, Features], result: Reenacted) -> dict[str, float]:
    """LPIPS and FID of same-identity pictures from the first portrait, whole pictures."""
    size = result.truth.shape[3:]
    sides = result.pictures[:, 0].reshape(-1, *size), result.truth.reshape(-1, *size)
    found = {name: getattr(perceptual, name) for name in ("lpips", "fid") if name in networks}
    return {name: measure(networks[name], *sides) for name, measure in found.items()}


def follow_drivers(model: Model, means: Means, tell: Tell) -> Figures:
    """The mean over real drivers, and each of them."""
    assert means.mesh is not None
    each = {}
    results = follow(model.folder, means.drivers, means.avatars, means.mesh)
    for video in means.drivers:
        tell(f"real driver {video.stem}")
        each[video.stem] = next(results)
    return mean_of(list(each.values())) | {"each": each}
