"""What detectors find in one image, clean and corrupted."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

SHOWN = ('gaussian_noise', 'glass_blur', 'snow', 'frost', 'fog')


def detect(config: Path, checkpoint: Path, images: list[np.ndarray]) -> tuple[list, dict]:
    """Detections of a model, loaded as any mmdet user loads it; its classes and colours.

    Args:
        images: (H, W, 3) uint8 RGB.
    """
    from mmdet.apis import inference_detector, init_detector

    from mmrobustprune.report.figures.gallery import Found

    model = init_detector(str(config), str(checkpoint), device='cpu')
    samples = inference_detector(
        model, [np.ascontiguousarray(image[..., ::-1]) for image in images]
    )
    found = []
    for sample in samples:
        one = sample.pred_instances
        found.append(Found(one.bboxes.numpy(), one.labels.numpy(), one.scores.numpy()))
    return found, model.dataset_meta


def draw_gallery(
    out: Path, models: dict[str, tuple[Path, Path]], image: np.ndarray, corruptions: Sequence[str]
) -> None:
    """One image clean and corrupted, with what each model finds."""
    from mmrobustprune.corruption.apply import apply
    from mmrobustprune.report.figures.gallery import gallery

    kinds = [kind for kind in SHOWN if kind in corruptions]
    images = [image, *(apply(image, kind, 3) for kind in kinds)]
    rows = []
    meta = {}
    for name, files in models.items():
        found, meta = detect(*files, images)
        rows.append((name, list(zip(images, found, strict=True))))
    gallery(
        out,
        ['clean', *(f'{kind}, 3' for kind in kinds)],
        rows,
        meta['classes'],
        meta['palette'],
        0.5,
    )


def clear_image(root: Path) -> np.ndarray:
    """Of the test images with the most classes, the one whose objects lie farthest apart, RGB."""
    import cv2

    best: tuple[tuple[int, float], str] = ((0, 0.0), '')
    for name in (root / 'ImageSets' / 'Main' / 'test.txt').read_text().split():
        tree = ElementTree.parse(root / 'Annotations' / f'{name}.xml')
        sides = chain.from_iterable(tree.iter('bndbox'))
        boxes = np.array([int(side.text) for side in sides]).reshape(-1, 4)
        left_of = boxes[:, None, :2] - boxes[None, :, 2:]
        right_of = boxes[None, :, :2] - boxes[:, None, 2:]
        gaps = np.maximum(left_of, right_of).max(-1)
        np.fill_diagonal(gaps, 999)
        kinds = {kind.text for kind in tree.iter('name')}
        best = max(best, ((len(kinds), float(gaps.min())), name))
    return cv2.imread(str(root / 'JPEGImages' / f'{best[1]}.jpg'))[..., ::-1].copy()
