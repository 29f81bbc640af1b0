#!/usr/bin/env python
"""Draw the figures of docs/explanation/sr_gkp.md from the weights of a trained ResNet-20.

Example:
    python tools/experiments/prepare_data.py
    python tools/experiments/draw_sr_gkp.py --out docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.analysis.frequency import split  # noqa: E402
from mmrobustprune.attack import Classifier  # noqa: E402
from mmrobustprune.engine.bridge.checkpoint import load_model  # noqa: E402
from mmrobustprune.engine.bridge.config import load_config  # noqa: E402
from mmrobustprune.engine.bridge.images import LabelledImages  # noqa: E402
from mmrobustprune.engine.deploy.oneshot import OneShot  # noqa: E402
from mmrobustprune.grouped_kernels import Beam, Snaking, arrange  # noqa: E402
from mmrobustprune.grouped_kernels.grouping import filter_order  # noqa: E402
from mmrobustprune.models.pixels import pixel_classifier  # noqa: E402
from mmrobustprune.report.drawings.bands import Answer, draw_bands  # noqa: E402
from mmrobustprune.report.drawings.granularities import draw_granularities  # noqa: E402
from mmrobustprune.report.drawings.growth import draw_growth  # noqa: E402
from mmrobustprune.report.drawings.snaking import draw_snaking  # noqa: E402
from mmrobustprune.scores.roughness import size  # noqa: E402

CONFIG = ROOT / 'configs' / 'cifar_jpeg' / 'resnet20_cifar10-jpeg.py'
LAYER = 'backbone.layer1.1.conv2'  # 16 filters of 16 channels
GROUPS = 4
RATE = 0.4375
THETA = 0.3
FROG = 'frog'


def pruned_layer(weight: Tensor, out: Path) -> None:
    """Figures 1, 3 and 4: what goes, into which groups, chosen how."""
    labels = Snaking()(LAYER, weight, GROUPS)
    draw_snaking(out / 'sr_gkp_snaking.png', size(weight).sum(1), labels)
    kernels = arrange(LAYER, weight, filter_order(LAYER, labels, len(weight), GROUPS), GROUPS)
    keep = round((1 - RATE) * kernels.channels)
    beam = Beam(width=2, check_every=1)
    kept = beam(kernels, keep)
    steps = beam.trace(kernels, keep, group=0, start=int(kept[0, 0]))
    draw_growth(out / 'sr_gkp_beam.png', steps, kept[0])
    by_group = torch.zeros(GROUPS, kernels.channels, dtype=torch.bool).scatter(1, kept, True)
    shown = {
        'weights': largest(weight.abs()),
        'kernels': largest(weight.square().sum((2, 3))),
        'grouped kernels': by_group[labels],
        'filters': largest(weight.square().sum((1, 2, 3))),
        'channels': largest(weight.square().sum((0, 2, 3))),
    }
    shapes = {'filters': (-1, 1, 1, 1), 'channels': (1, -1, 1, 1), 'weights': weight.shape}
    masks = {}
    for name, mask in shown.items():
        mask = mask.reshape(shapes.get(name, (len(weight), -1, 1, 1)))
        masks[name] = mask.expand_as(weight)
    draw_granularities(out / 'sr_gkp_granularities.png', weight, masks)


def largest(values: Tensor) -> Tensor:
    """Where the largest are, as many as stay."""
    count = round((1 - RATE) * values.numel())
    flat = torch.zeros(values.numel(), dtype=torch.bool)
    return flat.scatter(0, values.flatten().topk(count).indices, True).view(values.shape)


@torch.no_grad()
def frog(networks: dict[str, nn.Module], images: LabelledImages, out: Path) -> None:
    """Figure 2: the first frog that all networks know, its frequencies, and their verdicts."""
    classifiers = {name: pixel_classifier(model.eval()) for name, model in networks.items()}
    names = images.dataset.CLASSES
    label = names.index(FROG)
    place = next(
        number
        for number in range(len(images))
        if images.dataset.get_data_info(number)['gt_label'] == label
        and all(known(one, images, number, label) for one in classifiers.values())
    )
    ((image, _),) = images.batches([[place]])
    first = next(iter(classifiers.values()))
    seen = first.normalise(image)
    low, high = split(seen, THETA)
    scale, shift = affine(first, image)
    bands = {'image': seen, f'low, θ < {THETA}': low, f'high, θ ≥ {THETA}': high}
    verdicts: dict[str, dict[str, Answer]] = {}
    for name, classifier in classifiers.items():
        said = {title: classifier.network(band).softmax(1)[0] for title, band in bands.items()}
        verdicts[name] = {
            title: Answer(names[int(p.argmax())], float(p.max()), int(p.argmax()) == label)
            for title, p in said.items()
        }
    pixels = {title: (scale * band + shift)[0] for title, band in bands.items()}
    draw_bands(out / 'sr_gkp_frequencies.png', pixels, verdicts)


def known(classifier: Classifier, images: LabelledImages, place: int, label: int) -> bool:
    """Whether a network knows an image."""
    ((image, _),) = images.batches([[place]])
    return int(classifier(image).argmax()) == label


def affine(classifier: Classifier, image: Tensor) -> tuple[Tensor, Tensor]:
    """(scale, shift) from what a network sees to pixels in [0, 1], each (1, 3, 1, 1)."""
    black = classifier.normalise(torch.zeros_like(image)).mean((2, 3), keepdim=True)
    white = classifier.normalise(torch.ones_like(image)).mean((2, 3), keepdim=True)
    scale = 1 / (white - black)
    return scale, -black * scale


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument(
        '--weights', default='data/resnet20_cifar10.pth', help='default: %(default)s'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('docs/images'), help='folder (default: %(default)s)'
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    config = load_config(str(CONFIG))
    dense, _, config = load_model(config, args.weights)
    pruned_layer(dense.get_submodule(LAYER).weight.detach().double(), args.out)
    few = dict(scope='layer', recalibrate='500 images')
    one = OneShot(load_config(str(CONFIG)), args.weights, (32, 32), 'l1', 0.433, **few)
    one.recalibrate(insist=True)
    networks = {'dense': dense, 'L1 filters': one.model}
    frog(networks, LabelledImages.of_test_set(config), args.out)


if __name__ == '__main__':
    cli.run(main)
