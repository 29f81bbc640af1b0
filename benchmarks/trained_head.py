"""A classifier of pretrained features: the last linear layer is trained, the rest stays.

`selection.py` needs a trained network; this makes one in a minute. The images go through the
backbone once, in the config's training pipeline, and the layer minimises the cross-entropy of their
features with a penalty on its weights.

    python benchmarks/trained_head.py --images 2000 --out work_dirs/mobilenetv2_head.pth \
        configs/cifar_jpeg/mobilenetv2-pretrained_10k_cifar10-jpeg.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

from mmrobustprune.engine.bridge.sampled import sampled_batches  # noqa: E402
from mmrobustprune.engine.runners import command  # noqa: E402
from mmrobustprune.records.files import replacing  # noqa: E402

STEPS = 100
PENALTY = 1e-3  # times the sum of the squared weights


@torch.no_grad()
def features(model: nn.Module, batches) -> tuple[Tensor, Tensor]:
    """What the head gets of each image, (images, features), and the labels (images,)."""
    model.eval()
    rows = []
    labels = []
    for batch in batches:
        data = model.data_preprocessor(batch)
        rows.append(model.head.pre_logits(model.extract_feat(data['inputs'])))
        labels += [int(sample.gt_label) for sample in data['data_samples']]
    return torch.cat(rows), torch.tensor(labels)


def fit(layer: nn.Linear, rows: Tensor, labels: Tensor) -> float:
    """Train a linear layer, in place; returns the accuracy on its own images."""
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=STEPS, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(layer(rows), labels) + PENALTY * layer.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return float((layer(rows).argmax(1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--images', type=int, default=2000)
    parser.add_argument('--out', type=Path, required=True, help='the checkpoint')
    args = parser.parse_args()
    config = command.load_config(args.config, [])
    init_default_scope(config.default_scope)
    model = MODELS.build(config.model)
    model.init_weights()
    train = Runner.build_dataloader(config.train_dataloader, seed=0)
    rows, labels = features(model, sampled_batches(train, args.images))
    accuracy = fit(model.head.fc, rows, labels)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(args.out) as part:
        torch.save(dict(meta=dict(images=args.images), state_dict=model.state_dict()), part)
    print(f'{accuracy:.1%} of {len(labels)} training images')


if __name__ == '__main__':
    main()
