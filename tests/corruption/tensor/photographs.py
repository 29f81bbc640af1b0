"""Real photographs that scikit-image brings, as small batches."""

from pathlib import Path

import cv2
import numpy as np
import skimage

NAMES = ('chelsea.png', 'coffee.png', 'astronaut.png')


def photographs(height, width):
    """(3, H, W, 3) in RGB, uint8."""
    batch = []
    for name in NAMES:
        image = cv2.imread(str(Path(skimage.__file__).parent / 'data' / name))[..., ::-1]
        batch.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return np.stack(batch)
