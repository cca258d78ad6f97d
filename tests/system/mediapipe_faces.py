"""MediaPipe's face mesh on pictures; runs in a Python of its own, which has mediapipe==0.10.14.

    python mediapipe_faces.py FOLDER

For every FOLDER/NAME.npy, u8[T,h,w,3] RGB, writes FOLDER/NAME.points.npy, f32[T,478,3] in pixels
of the picture (x right, y down, z away from the camera), NaN where no face was found. Prints NAME
after each.
"""

import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

SMALLEST = 384  # px; the mesh wants a face of some size
CONFIDENCE = 0.3
POINTS = 478


def find(mesh, picture):
    """The points f32[478,3] of the one face in u8[h,w,3], or NaN."""
    height, width = picture.shape[:2]
    scale = 2 if min(height, width) < SMALLEST else 1
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    found = mesh.process(large).multi_face_landmarks
    if not found:
        return np.full((POINTS, 3), np.nan, np.float32)
    points = np.array([[p.x, p.y, p.z] for p in found[0].landmark], np.float32)
    return points * np.array([width, height, width], np.float32)


def main(folder):
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True,
        refine_landmarks=True,
        max_num_faces=1,
        min_detection_confidence=CONFIDENCE,
    )
    for path in sorted(Path(folder).glob("*.npy")):
        if not path.name.endswith(".points.npy"):
            points = np.stack([find(mesh, picture) for picture in np.load(path)])
            np.save(path.with_suffix(".points.npy"), points)
            print(path.stem, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
