import tarfile

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.registry import MODELS
from torch.nn import functional as F

from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.models.backbones import CIFARResNet, classifier_state
from mmrobustprune.surgery import prune_channels, prune_grouped_kernels, trace


def test_shapes_and_size_of_resnet20():
    net = CIFARResNet(20)
    assert [tuple(out.shape) for out in net(torch.randn(2, 3, 32, 32))] == [(2, 64, 8, 8)]
    learned = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert learned == 269_722 - 650  # the known count less the classifier
    assert sum(p.numel() for p in net.parameters()) - learned == 16 * 32 + 32 * 64


@pytest.mark.parametrize(
    'depth, params', [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_depths_and_sizes(depth, params):
    """Learned parameters as He et al. count them, classifier included."""
    net = CIFARResNet(depth)
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) + 650 == params
    assert (
        sum(isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3) for m in net.modules())
        == depth - 1
    )


def test_images_of_another_size_and_a_state_dict_round_trip():
    net, other = CIFARResNet(32), CIFARResNet(32)
    other.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert net(x)[0].shape == (1, 64, 16, 16) and torch.equal(net(x)[0], other(x)[0])


def test_the_shortcut_is_every_second_pixel_with_zero_channels_after():
    net = CIFARResNet(8)
    net.init_weights()
    x = torch.randn(2, 16, 8, 8)
    expected = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))
    assert torch.equal(net.layer2[0].shortcut(x), expected)
    assert not net.layer2[0].shortcut.weight.requires_grad


def test_shortcuts_have_no_cost_in_either_counter_dense_and_pruned():
    net, x = torch.nn.Sequential(CIFARResNet(20)), torch.zeros(1, 3, 32, 32)
    found = trace(net, x)
    dense, planned = count(net, x), CostModel(net, found.groups, found.shapes).dense
    assert (
        (planned['params'], planned['macs']) == (dense.params, dense.macs) == (269_072, 40_550_400)
    )
    structure = prune_channels(net, x, 0.5, budget='params')
    pruned = count(net, x)
    assert pruned.params == sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert pruned.params < sum(p.numel() for p in net.parameters())
    assert structure.achieved['params'] == 1 - pruned.params / dense.params >= 0.5
    assert structure.achieved['macs'] == 1 - pruned.macs / dense.macs


def test_grouped_kernels_are_a_share_of_what_is_learned():
    net = torch.nn.Sequential(CIFARResNet(20))
    before = count(net, torch.zeros(1, 3, 32, 32)).params
    structure = prune_grouped_kernels(net, 0.4375, search='l2')
    left = count(net, torch.zeros(1, 3, 32, 32)).params
    assert structure.achieved['params'] == pytest.approx(1 - left / before, abs=1e-12)


def test_another_depth_is_refused():
    for depth in (18, 2, 21):
        with pytest.raises(ValueError, match='6n'):
            CIFARResNet(depth)


def test_a_state_dict_of_another_depth_is_refused():
    with pytest.raises(
        ValueError, match="does not fit CIFARResNet\\(20\\) at 'backbone.conv1.weight'"
    ):
        classifier_state({})


def test_the_published_resnet20_tells_classes_apart_at_once(shared_data):
    """Its accuracy is known for the JPEG files; the weights in another order are near chance."""
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
            backbone=dict(type='mmrobustprune.CIFARResNet', depth=20),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(
                type='mmpretrain.LinearClsHead',
                num_classes=10,
                in_channels=64,
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
            ),
        )
    )
    published = torch.load(shared_data / 'resnet20_cifar10_state_dict.pth', weights_only=True)
    model.load_state_dict(classifier_state(published))
    images, labels = _test_images(shared_data / 'cifar10_jpeg.tar.gz', per_class=2)
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    )
    with torch.no_grad():
        logits = model.eval()((images - mean) / std, mode='tensor')
    assert (logits.argmax(1) == labels).float().mean() >= 0.6


def _test_images(archive, per_class):
    """The first images of every class in the archive: (n, 3, 32, 32) RGB in [0, 1], (n,) labels."""
    images, labels, seen = [], [], {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.name.startswith('test/') and member.name.endswith('.jpg')):
                continue
            label = member.name.split('/')[1]
            if seen.get(label, 0) == per_class:
                continue
            seen[label] = seen.get(label, 0) + 1
            pixels = cv2.imdecode(
                np.frombuffer(tar.extractfile(member).read(), np.uint8), cv2.IMREAD_COLOR
            )
            images.append(torch.from_numpy(pixels[..., ::-1].copy()).permute(2, 0, 1) / 255)
            labels.append(label)
            if len(images) == 10 * per_class:
                break
    names = sorted(seen)
    return torch.stack(images), torch.tensor([names.index(label) for label in labels])


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_images_of_any_number_of_channels(channels):
    net = CIFARResNet(depth=8, in_channels=channels)
    net.eval()
    assert net(torch.rand(2, channels, 32, 32))[0].shape == (2, 64, 8, 8)
    first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.in_channels == channels
