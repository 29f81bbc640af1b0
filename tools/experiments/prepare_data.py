#!/usr/bin/env python
"""Unpack the data of the real experiments into data/.

That is BCCD, CIFAR-10 as JPEG with lists of parts of it, a trained ResNet-20, and MobileNetV2's
weights of ImageNet. What is there already is left alone.

Example:
    python tools/experiments/prepare_data.py --source ../shared/data
"""

import os
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed

import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.models.backbones import classifier_state, mobilenet_v2_state  # noqa: E402
from mmrobustprune.records.files import replacing  # noqa: E402

ARCHIVES = {'bccd': 'bccd.tar.gz', 'cifar10_jpeg': 'cifar10_jpeg.tar.gz'}
WEIGHTS = {'resnet20_cifar10.pth': 'resnet20_cifar10_state_dict.pth'}
BACKBONES = {'mobilenet_v2_imagenet.pth': 'mobilenet_v2_imagenet_torchvision.pth'}


def unpack(archive: Path, target: Path) -> None:
    """Unpack `archive` into the new folder `target`, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent) as part, tarfile.open(archive) as tar:
        inner = Path(part) / 'inner'
        for member in tqdm(tar, desc=target.name, unit=' files', mininterval=1):
            tar.extract(member, inner, filter='data')
        os.rename(inner, target)


def convert(source: Path, target: Path) -> None:
    """Write a published ResNet-20 as a checkpoint of an mmpretrain classifier."""
    write(classifier_state(torch.load(source, weights_only=True)), source, target)


def convert_backbone(source: Path, target: Path) -> None:
    """Write a published MobileNetV2 as a backbone of mmdet."""
    write(mobilenet_v2_state(torch.load(source, weights_only=True)), source, target)


def write(state: dict[str, torch.Tensor], source: Path, target: Path) -> None:
    """Write a checkpoint."""
    with replacing(target) as part:
        torch.save(dict(meta=dict(source=source.name), state_dict=state), part)


def write_lists(root: Path) -> None:
    """meta/train-10000.txt and val-5000.txt: the first 1,000 and last 500 images of each class."""
    (root / 'meta').mkdir(exist_ok=True)
    folders = sorted(folder for folder in (root / 'train').iterdir() if folder.is_dir())
    for name, part in (('train-10000', slice(1000)), ('val-5000', slice(-500, None))):
        lines = []
        for label, folder in enumerate(folders):
            for file in sorted(folder.iterdir())[part]:
                lines.append(f'{folder.name}/{file.name} {label}\n')
        (root / 'meta' / f'{name}.txt').write_text(''.join(lines))


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument(
        '--source', type=Path, default=Path('../shared/data'), help='folder of the archives'
    )
    parser.add_argument('--out', type=Path, default=Path('data'), help='default: data')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    steps = ((ARCHIVES, unpack), (WEIGHTS, convert), (BACKBONES, convert_backbone))
    for files, make in steps:
        for name, given in files.items():
            if (args.out / name).exists():
                print(f'{args.out / name}: there already')
                continue
            if not (args.source / given).is_file():
                raise FileNotFoundError(
                    f'{args.source / given} is not there; '
                    'give the folder of the archives as --source.'
                )
            make(args.source / given, args.out / name)
            print(f'{args.out / name}: written')
    write_lists(args.out / 'cifar10_jpeg')


if __name__ == '__main__':
    cli.run(main)
