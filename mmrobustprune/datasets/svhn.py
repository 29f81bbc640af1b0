"""Street View House Numbers, cropped digits of 32x32 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmpretrain.datasets import BaseDataset
from scipy.io import loadmat

from mmrobustprune.registry import DATASETS

LENGTHS = dict(train=73_257, test=26_032)


@DATASETS.register_module()
class SVHN(BaseDataset):
    """The digits of SVHN (ufldl.stanford.edu/housenumbers, format 2), RGB; a class is its digit.

    Reads `{split}_32x32.mat`: X (32, 32, 3, n) uint8 and y (n, 1) from 1 to 10, where 10 is the
    digit 0.

    Args:
        data_root: where the two files are.
        split: 'train' (73,257 images) or 'test' (26,032); the additional `extra` images are not
            used.
        kwargs: of `mmpretrain.datasets.BaseDataset`; `indices` takes the first n images, or with -n
            the last.
    Raises:
        ValueError: an unknown split, or a damaged file.
        FileNotFoundError: the file is not there.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, data_root: str = 'data/svhn', split: str = 'train', **kwargs) -> None:
        if split not in LENGTHS:
            raise ValueError(f"SVHN has no split '{split}'; choose {' or '.join(LENGTHS)}.")
        self.split = split
        super().__init__(ann_file='', data_root=str(data_root), **kwargs)

    def load_data_list(self) -> list[dict]:
        """A dict of `img` (32, 32, 3) uint8 RGB and `gt_label` for each image."""
        path = Path(self.data_root) / f'{self.split}_32x32.mat'
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} is not there; put {path.name} from '
                'http://ufldl.stanford.edu/housenumbers into data_root.'
            )
        images, labels = _read(path, LENGTHS[self.split])
        return [
            dict(img=image, gt_label=int(label))
            for image, label in zip(images, labels, strict=True)
        ]


def _read(path: Path, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 32, 32, 3) uint8 images and (n,) digits."""
    try:
        content = loadmat(path, variable_names=('X', 'y'))
        images = content['X']
        labels = content['y'].ravel()
    except Exception as error:  # what scipy raises depends on where the file is cut
        raise ValueError(
            f'{path} cannot be read ({error or type(error).__name__}); fetch it again.'
        ) from error
    if images.shape != (32, 32, 3, length) or images.dtype != np.uint8 or labels.shape != (length,):
        raise ValueError(
            f'{path} holds {images.dtype} images {images.shape} and {len(labels)} labels where '
            f'uint8 {(32, 32, 3, length)} and {length} belong; fetch it again.'
        )
    if not np.isin(labels, range(1, 11)).all():
        raise ValueError(
            f'{path} has labels from {labels.min()} to {labels.max()} where 1 to 10 belong; fetch '
            'it again.'
        )
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels % 10
