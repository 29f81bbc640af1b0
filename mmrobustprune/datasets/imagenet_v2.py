"""ImageNet-V2, the three new test sets of ImageNet (arXiv 1902.10811)."""

from pathlib import Path

from mmpretrain.datasets import ImageNet

from mmrobustprune.naming import nearest
from mmrobustprune.registry import DATASETS

FOLDERS = {
    'matched-frequency': 'imagenetv2-matched-frequency-format-val',
    'threshold-0.7': 'imagenetv2-threshold0.7-format-val',
    'top-images': 'imagenetv2-top-images-format-val',
}


@DATASETS.register_module()
class ImageNetV2(ImageNet):
    """One of the three variants, 10 images of each class.

    Its folders are named 0 to 999 after the class's **number**. Other data sets number their
    folders in the order of strings, which here would take folder 10 for class 2.

    Args:
        data_root: where the archives were unpacked; the folder of the variant lies in it.
        variant: 'matched-frequency' (the one usually reported), 'threshold-0.7' or 'top-images'.
        kwargs: of `mmpretrain.ImageNet`; `metainfo` with other classes for other trees of this
            layout.
    Raises:
        ValueError: an unknown variant, or folders that are no class numbers.
        FileNotFoundError: no folder of that variant, or of a class, or an empty one.
    """

    def __init__(
        self, data_root: str = 'data/imagenetv2', variant: str = 'matched-frequency', **kwargs
    ) -> None:
        if variant not in FOLDERS:
            raise ValueError(
                f"ImageNet-V2 has no variant '{variant}'{nearest(str(variant), FOLDERS)}; choose "
                f'among {", ".join(FOLDERS)}.'
            )
        self.variant = variant
        super().__init__(data_root=str(data_root), data_prefix=FOLDERS[variant], **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        """(path below the variant's folder, class number), class by class."""
        root = Path(self.img_prefix)
        if not root.is_dir():
            raise FileNotFoundError(
                f"{root} is not there, so ImageNet-V2 '{self.variant}' cannot be read; unpack its "
                'archive into data_root, or give another variant.'
            )
        folders = {folder.name for folder in root.iterdir() if folder.is_dir()}
        wanted = [str(number) for number in range(len(self.CLASSES))]
        if strange := sorted(folders - {*wanted}):
            raise ValueError(
                f"{root} has the folder '{strange[0]}', which is no class number from 0 to "
                f'{len(wanted) - 1}; remove it, or give metainfo with the classes of this tree.'
            )
        images = {name: self._images(root / name) if name in folders else [] for name in wanted}
        if missing := [name for name in wanted if not images[name]]:
            raise FileNotFoundError(
                f'{root} has no images of {len(missing)} of {len(wanted)} classes (the first is '
                f'folder {missing[0]}); unpack its archive again.'
            )
        samples: list[tuple[str, int]] = []
        for number, name in enumerate(wanted):
            samples += [(f'{name}/{image}', number) for image in images[name]]
        return samples

    def _images(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir() if self.is_valid_file(path.name))
