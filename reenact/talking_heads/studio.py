"""A person before a camera: what stays is made once, then every pose becomes a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.talking_heads import strands
from reenact.talking_heads.face_map import Face
from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.landmarks import LandmarkFinder
from reenact.talking_heads.lenses import glaze
from reenact.talking_heads.motion import neutral_motion
from reenact.talking_heads.paint import (
    eye_centres,
    eye_coordinates,
    metered,
    paint_person,
    prefiltered,
    tooth_coordinates,
)
from reenact.talking_heads.person import Person
from reenact.talking_heads.raster import (
    LENS,
    MATERIALS,
    SAMPLES,
    Bytes,
    Floats,
    Geometry,
    Ints,
    visibility,
)
from reenact.talking_heads.rig import Part, Posed, Rig
from reenact.talking_heads.scene import (
    SHADOW_SIZE,
    Camera,
    make_scene,
    shadow_matrix,
    window_camera,
)
from reenact.talking_heads.shade import Buffers, shade
from reenact.talking_heads.surfaces import Shot

_OCCLUSION_REACH = 0.065  # dm
# The high-poly eye's clear shell has its own corner of the map: u > .82, v < .2.
_CORNEA = (0.82, 0.2)


@dataclass(frozen=True)
class Frame:
    """One picture: rgb u8[s,s,3], alpha u8[s,s] (255 = person), labels u8[s,s] (see LABELS)."""

    rgb: Bytes
    alpha: Bytes
    labels: Bytes


class Studio:
    """A person in a scene: what stays while he moves is made once (a quarter of a second)."""

    def __init__(
        self,
        data: HeadData,
        person: Person,
        seed: int,
        size: int,
        *,
        wish: Mapping[str, Any] | None = None,
        zoom: float = 1.0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """seed, wish (see make_scene): the scene; zoom, shift: the window (see window_camera)."""
        self.person, self.size = person, size
        self.rig = Rig(data, person)
        self.scene = make_scene(seed, size, wish)
        self.find_landmarks = LandmarkFinder(self.rig.parts)
        still = neutral_motion(1)
        self.neutral = self.rig.pose(still.units[0], still.head[0], still.gaze[0])
        self.camera: Camera = window_camera(self.neutral, size, zoom, shift)
        paint = paint_person(person, self.rig.parts, _face(data))
        self._paint = prefiltered(paint, self.camera.pixels_per_dm)
        self._light = metered(self.scene.light, self._paint)
        self._mesh, self._lenses, self._drawn = _assemble(self.rig.parts)
        self._alphas = (self._paint.lash, np.ascontiguousarray(self._paint.hair[..., 0]))
        samples = size * SAMPLES
        self._depth, self._index = (
            np.empty((samples, samples), np.float32),
            np.empty((samples, samples), np.int32),
        )
        self._shadow = np.empty((SHADOW_SIZE, SHADOW_SIZE), np.float32)
        self._shadow_index = np.empty((SHADOW_SIZE, SHADOW_SIZE), np.int32)

    def render(self, posed: Posed) -> Frame:
        """The picture of a pose of this studio's rig."""
        positions = np.ascontiguousarray(posed.positions[self._drawn])
        normals = np.ascontiguousarray(posed.normals[self._drawn])
        screen = self.camera.screen(positions)
        light_matrix = shadow_matrix(self.scene.light, posed.head)
        from_light = np.asarray(positions @ light_matrix[:, :3].T + light_matrix[:, 3], np.float32)
        self._see(self._mesh, from_light, True, self._shadow, self._shadow_index)
        self._see(self._mesh, screen, False, self._depth, self._index)
        shot = Shot(
            self.camera.position,
            posed.eye_left,
            posed.eye_right,
            posed.mouth,
            posed.head,
            np.ascontiguousarray(posed.head_rotation, np.float32),
            posed.jaw,
            light_matrix,
            _OCCLUSION_REACH * self.camera.pixels_per_dm * SAMPLES,
            self._paint.creases + self._paint.crease_gain * posed.creases,
        )
        buffers = Buffers(self._depth, self._index, self._shadow, screen, positions, normals)
        n = self.size
        rgb, alpha, labels = (
            np.empty((n, n, 3), np.uint8),
            np.empty((n, n), np.uint8),
            np.empty((n, n), np.uint8),
        )
        shade(
            buffers,
            self._mesh,
            self._paint,
            self._light,
            shot,
            self.scene.background,
            rgb,
            alpha,
            labels,
        )
        if len(self._lenses.triangles):
            self._glaze(buffers, shot, rgb)
        return Frame(rgb, alpha, labels)

    def _glaze(self, buffers: Buffers, shot: Shot, rgb: Bytes) -> None:
        """Lay the lenses of glasses over the picture."""
        lenses, depth = self._lenses, np.empty_like(self._depth)
        self._see(lenses, buffers.screen, False, depth, self._index)
        tint, light = self._paint.lens, self._light
        glaze(buffers, lenses, depth, self._index, tint, light, shot, rgb)

    def landmarks(self, posed: Posed) -> Floats:
        """The landmarks of a pose in pixels, f32[L,2], see LANDMARKS."""
        return self.camera.project(self.find_landmarks(posed))

    def _see(
        self, mesh: Geometry, screen: Floats, shadow: bool, depth: Floats, index: Ints
    ) -> None:
        visibility(
            mesh.triangles, mesh.material, screen, mesh.uv, self._alphas, shadow, depth, index
        )


_faces: dict[int, Face] = {}


def _face(data: HeadData) -> Face:
    """The skin map's positions: the same for everybody, so made once per data."""
    if id(data) not in _faces:
        _faces[id(data)] = Face(data)
    return _faces[id(data)]


def _assemble(parts: list[Part]) -> tuple[Geometry, Geometry, npt.NDArray[np.int64]]:
    """One mesh of all drawn parts, one of lenses, and which of the rig's vertices they use."""
    triangles, materials, uvs, rests, drawn = [], [], [], [], []
    start = count = 0
    eyes = eye_centres(next(part.rest for part in parts if part.name == "eyes"))
    for part in parts:
        if part.name in MATERIALS:
            kept = part.triangles
            uv = part.uv
            if part.name == "eyes":
                cornea = (uv[:, 0] > _CORNEA[0]) & (uv[:, 1] < _CORNEA[1])
                kept = kept[~cornea[kept].all(1)]
                uv = eye_coordinates(part.rest)
            elif part.name == "lash":
                uv = strands.lash_coordinates(part.rest, part.triangles, eyes)
            elif part.name == "teeth":
                uv = tooth_coordinates(part.rest, part.triangles)
            triangles.append(kept + count)
            materials.append(np.full(len(kept), MATERIALS[part.name], np.uint8))
            uvs.append(uv)
            rests.append(part.rest)
            drawn.append(np.arange(start, start + len(part.rest)))
            count += len(part.rest)
        start += len(part.rest)
    faces, material = np.concatenate(triangles).astype(np.int32), np.concatenate(materials)
    uv, rest = (np.concatenate(a).astype(np.float32) for a in (uvs, rests))
    clear = material == LENS
    return (
        Geometry(faces[~clear], material[~clear], uv, rest),
        Geometry(faces[clear], material[clear], uv, rest),
        np.concatenate(drawn),
    )
