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


def draw_task(out: Path, root: Path, corruptions: Sequence[str]) -> None:
    """One test image clean and corrupted, with the objects that are in it."""
    from mmrobustprune.corruption.apply import apply
    from mmrobustprune.datasets.scenes import CLASSES, PALETTE
    from mmrobustprune.report.figures.gallery import Found, gallery

    kinds = [kind for kind in SHOWN if kind in corruptions]
    name = clear_name(root)
    names, boxes = objects(root, name)
    labels = np.array([CLASSES.index(kind) for kind in names])
    truth = Found(boxes - 1, labels, np.ones(len(labels)))  # VOC counts from one
    image = read_image(root, name)
    cells = [(image, truth), *((apply(image, kind, 3), truth) for kind in kinds)]
    titles = ['clean', *(f'{kind}, 3' for kind in kinds)]
    gallery(out, titles, [('what there is', cells)], CLASSES, PALETTE)


def objects(root: Path, name: str) -> tuple[list[str], np.ndarray]:
    """Class and box, (n, 4), of every object in one image."""
    tree = ElementTree.parse(root / 'Annotations' / f'{name}.xml')
    sides = chain.from_iterable(tree.iter('bndbox'))
    boxes = np.array([int(side.text) for side in sides]).reshape(-1, 4)
    return [kind.text for kind in tree.iterfind('object/name')], boxes


def read_image(root: Path, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    import cv2

    return cv2.imread(str(root / 'JPEGImages' / f'{name}.jpg'))[..., ::-1].copy()


def clear_name(root: Path) -> str:
    """Of the test images with the most classes, the one whose objects lie farthest apart."""
    best: tuple[tuple[int, float], str] = ((0, 0.0), '')
    for name in (root / 'ImageSets' / 'Main' / 'test.txt').read_text().split():
        names, boxes = objects(root, name)
        left_of = boxes[:, None, :2] - boxes[None, :, 2:]
        right_of = boxes[None, :, :2] - boxes[:, None, 2:]
        gaps = np.maximum(left_of, right_of).max(-1)
        np.fill_diagonal(gaps, 999)
        best = max(best, ((len(set(names)), float(gaps.min())), name))
    return best[1]
