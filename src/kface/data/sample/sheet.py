"""A contact sheet: some people of the sample under some conditions, for visual inspection."""

from typing import List, Sequence, Tuple

import cv2
import numpy as np

from kface.data.layout import Capture
from kface.data.sample.identity import Identity, subject_names
from kface.data.sample.scene import Scene, develop, noise_of

#: Accessory, light, expression and camera of the columns.
COLUMNS: Sequence[Tuple[int, int, int, int]] = (
    (1, 1, 1, 7),
    (1, 1, 2, 9),
    (2, 2, 1, 4),
    (5, 8, 1, 6),
    (1, 19, 3, 8),
    (3, 1, 1, 11),
    (4, 3, 1, 16),
    (6, 5, 2, 5),
)


def contact_sheet(
    people: int = 6,
    seed: int = 0,
    columns: Sequence[Tuple[int, int, int, int]] = COLUMNS,
    width: int = 170,
    variation: float = 0.0,
) -> np.ndarray:
    """Render a sheet: one row per person, one column per condition.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    rows: List[np.ndarray] = []
    for name in subject_names(people, seed):
        person = Identity(name, seed, variation)
        cells = []
        for accessory, light, expression, camera in columns:
            capture = Capture(name, accessory, light, expression, camera)
            view = Scene(person, accessory, expression).view(camera)
            picture = develop(view, light, noise_of(capture, seed), variation=variation)
            cells.append(cv2.resize(picture[40:576, 164:700], (width, width), interpolation=cv2.INTER_AREA))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows, axis=0)
