"""The shapes set: a generated detection set in the layout of Pascal VOC, made from a seed."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import VOCDataset

from mmrobustprune.registry import DATASETS

from .scenes import CLASSES, PALETTE, Scene, draw_scene

_OBJECT = (
    '<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>'
    '<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>'
)


def _annotation(name: str, scene: Scene) -> str:
    high, wide, deep = scene.image.shape
    objects = ''.join(
        _OBJECT.format(*(box + 1).astype(int), name=CLASSES[label])  # VOC counts from one
        for box, label in zip(scene.boxes, scene.labels, strict=True)
    )
    return (
        f'<annotation><filename>{name}.jpg</filename><size><width>{wide}</width>'
        f'<height>{high}</height><depth>{deep}</depth></size>{objects}</annotation>'
    )


def _write_split(folder: Path, split: str, count: int, size: int, seed: int) -> None:
    names = [f'{split}_{index:05d}' for index in range(count)]
    for index, name in enumerate(names):
        scene = draw_scene(np.random.default_rng([seed, *split.encode(), index]), size)
        cv2.imwrite(
            str(folder / 'JPEGImages' / f'{name}.jpg'),
            scene.image[..., ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, 95],
        )
        (folder / 'Annotations' / f'{name}.xml').write_text(_annotation(name, scene))
    (folder / 'ImageSets' / 'Main' / f'{split}.txt').write_text('\n'.join(names) + '\n')


def write_shapes(
    root: str | Path, train: int = 800, test: int = 200, size: int = 192, seed: int = 0
) -> Path:
    """Write the set into `root` unless it is there; the same arguments give the same bytes.

    Args:
        train, test: how many images of each split.
        size: side of the square images, pixels.
    Raises:
        ValueError: a count or size too small; `root` holds something else.
    """
    root = Path(root)
    wanted = dict(train=train, test=test, size=size, seed=seed)
    if min(train, test) < 1 or size < 64:
        raise ValueError(
            f'The shapes set needs at least one image per split and 64 pixels, and got {wanted}; '
            'raise the number that is too small.'
        )
    stamp = root / 'shapes.json'
    if not stamp.exists():
        if root.exists():
            raise ValueError(f'{root} exists and is not a shapes set; give an unused folder.')
        root.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
        for folder in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
            (part / folder).mkdir(parents=True)
        for split, count in (('train', train), ('test', test)):
            _write_split(part, split, count, size, seed)
        (part / stamp.name).write_text(json.dumps(wanted))
        part.chmod(0o755)
        try:
            os.rename(part, root)  # whole or not at all
        except OSError:  # another process was first
            shutil.rmtree(part)
    found = json.loads(stamp.read_text())
    if found != wanted:
        raise ValueError(
            f'{root} holds the shapes set {found} and {wanted} was asked for; '
            'remove the folder or give another one.'
        )
    return root


@DATASETS.register_module()
class ShapesDataset(VOCDataset):
    """The shapes set as a VOC data set, written into `data_root` at first use.

    Args:
        generate: arguments of `write_shapes`, which all splits of one configuration share.
    """

    METAINFO = {'classes': CLASSES, 'palette': PALETTE}

    def __init__(self, data_root: str, generate: dict | None = None, **kwargs) -> None:
        if not kwargs.get('lazy_init'):  # asked for its classes alone
            write_shapes(data_root, **(generate or {}))
        super().__init__(data_root=data_root, **kwargs)
