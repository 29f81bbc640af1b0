"""Tiny-ImageNet, 200 classes of ImageNet at 64x64 pixels."""

from __future__ import annotations

from pathlib import Path

from mmpretrain.datasets import BaseDataset

from mmrobustprune.registry import DATASETS

SPLITS = ('train', 'val')


@DATASETS.register_module()
class TinyImageNet(BaseDataset):
    """Tiny-ImageNet as its archive unpacks (cs231n.stanford.edu/tiny-imagenet-200.zip).

    Training images lie in `train/WNID/images`. The validation images lie all in `val/images`, and
    `val/val_annotations.txt` says of which class each is. A class's number is its WNID's place
    among all in order, as where images lie in a folder per class. The test images have no labels.

    Args:
        data_root: the folder that holds `wnids.txt`, `train` and `val`.
        split: 'train' (100,000 images) or 'val' (10,000).
        kwargs: of `mmpretrain.datasets.BaseDataset`; `indices` takes the first n images, or with -n
            the last.
    Raises:
        ValueError: an unknown split, or annotations that do not fit.
        FileNotFoundError: a file or a class's folder is not there, or holds no image.
    """

    def __init__(
        self, data_root: str = 'data/tiny-imagenet-200', split: str = 'train', **kwargs
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"Tiny-ImageNet has no split '{split}'; choose {' or '.join(SPLITS)}.")
        self.split = split
        self._wnids = _wnids(Path(data_root))
        metainfo = dict(classes=_names(Path(data_root), self._wnids))
        super().__init__(
            ann_file='',
            data_root=str(data_root),
            metainfo=kwargs.pop('metainfo', metainfo),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """A dict of `img_path` and `gt_label` for each image, class by class."""
        root = Path(self.data_root) / self.split
        samples = _of_folders(root, self._wnids) if self.split == 'train' else _annotated(root)
        label = {wnid: number for number, wnid in enumerate(self._wnids)}
        strange = [(path, wnid) for path, wnid in samples if wnid not in label]
        if strange:
            path, wnid = strange[0]
            raise ValueError(
                f"{path} is said to be of class '{wnid}', which wnids.txt does not name; unpack "
                'the archive again.'
            )
        ordered = sorted(samples, key=lambda sample: label[sample[1]])
        return [dict(img_path=str(path), gt_label=label[wnid]) for path, wnid in ordered]


def _wnids(root: Path) -> list[str]:
    """The names of all classes, in order."""
    return sorted(_read(root / 'wnids.txt').split())


def _names(root: Path, wnids: list[str]) -> tuple[str, ...]:
    """What `words.txt` calls each class; its WNID where there is no such file."""
    file = root / 'words.txt'
    if not file.is_file():
        return tuple(wnids)
    lines = [line.split('\t', 1) for line in file.read_text(encoding='utf-8').splitlines()]
    words = {line[0]: line[1] for line in lines if len(line) == 2}
    return tuple(words.get(wnid, wnid) for wnid in wnids)


def _of_folders(root: Path, wnids: list[str]) -> list[tuple[Path, str]]:
    """(path, class) of every training image."""
    samples = []
    for wnid in wnids:
        files = sorted((root / wnid / 'images').glob('*.JPEG'))
        if not files:
            raise FileNotFoundError(
                f'{root / wnid / "images"} holds no image (*.JPEG); unpack the archive again.'
            )
        samples += [(file, wnid) for file in files]
    return samples


def _annotated(root: Path) -> list[tuple[Path, str]]:
    """(path, class) of every validation image, as the annotations list them."""
    file = root / 'val_annotations.txt'
    samples = []
    for number, line in enumerate(_read(file).splitlines(), 1):
        parts = line.split('\t')
        if len(parts) < 2:
            raise ValueError(
                f'{file}, line {number}: {line!r} is no file name and class with a tab between '
                'them; unpack the archive again.'
            )
        samples.append((root / 'images' / parts[0], parts[1]))
    if not samples:
        raise ValueError(f'{file} names no image; unpack the archive again.')
    missing = [path for path, _ in samples if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} images of {file} are not there (the first is {missing[0]}); unpack '
            'the archive again.'
        )
    return samples


def _read(file: Path) -> str:
    if not file.is_file():
        raise FileNotFoundError(
            f'{file} is not there; unpack tiny-imagenet-200.zip and give its folder as data_root.'
        )
    return file.read_text(encoding='utf-8')
