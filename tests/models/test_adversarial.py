"""Adversarial training: the attack's place, two passes, neutrality, inputs that are refused."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.structures import DataSample
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

import mmrobustprune.models  # noqa: F401  registers
from mmrobustprune.attack import TRADES
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper
from tests.support.passes import (
    assert_same_state,
    assert_zero_radius_is_plain,
    generators,
    seed_all,
)

MEAN, STD, EPS = (
    (120.0, 110.0, 100.0),
    (50.0, 60.0, 70.0),
    8 / 255,
)  # RGB; the images below are BGR
HEAD = dict(type='LinearClsHead', num_classes=5, in_channels=64)


def classifier(robust_loss=None, **changes):
    """A ResNet-8 with the weights of seed 0, stock without a robust loss."""
    init_default_scope('mmpretrain')
    kind = (
        dict(type='ImageClassifier')
        if robust_loss is None
        else dict(type='mmrobustprune.AdversarialClassifier', robust_loss=robust_loss)
    )
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            kind,
            **dict(
                dict(
                    data_preprocessor=dict(
                        type='ClsDataPreprocessor', mean=MEAN, std=STD, to_rgb=True
                    ),
                    backbone=dict(type='mmrobustprune.CIFARResNet', depth=8),
                    neck=dict(type='GlobalAveragePooling'),
                    head=dict(HEAD),
                ),
                **changes,
            ),
        )
    ).train()


def batch(number=0, count=6, dtype=torch.uint8):
    """Raw data as a loader gives it, always the same for a number."""
    draw = torch.Generator().manual_seed(number)
    images = torch.randint(0, 256, (count, 3, 16, 16), generator=draw).to(dtype)
    return dict(
        inputs=list(images), data_samples=[DataSample().set_gt_label(i % 5) for i in range(count)]
    )


def wrapped(model, cls=SAMOptimWrapper, **kwargs):
    return cls(optimizer=torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), **kwargs)


def watched(model):
    """The adversarial images of each forward call of the model, and of each attack."""
    seen, crafted, craft = [], [], model.robust_loss.craft
    model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs['adversarial']), with_kwargs=True
    )

    def counted(*args):
        crafted.append(craft(*args))
        return crafted[-1]

    model.robust_loss.craft = counted
    return seen, crafted


def test_evaluation_and_state_dict_are_stock():
    ours, stock = classifier(dict(type='TRADES')), classifier()
    assert_same_state(ours, stock)
    ours.eval(), stock.eval()
    found = [[one.pred_score for one in model.val_step(batch())] for model in (ours, stock)]
    assert all(map(torch.equal, *found))
    data = stock.data_preprocessor(batch(), False)
    assert torch.equal(ours(data['inputs'], mode='tensor'), stock(data['inputs'], mode='tensor'))


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_training_data_gain_attacked_pixels(dtype):
    model, stock = classifier(dict(type='TRADES', steps=2)), classifier()
    raw, data = (
        torch.stack(batch()['inputs']) / 255,
        model.data_preprocessor(batch(dtype=dtype), True),
    )
    assert torch.equal(data['inputs'], stock.data_preprocessor(batch(), True)['inputs'])
    attacked = data['adversarial']  # in the images' own channel order
    assert 0 < (attacked - raw).abs().mean() and (attacked - raw).abs().max() <= EPS + 1e-6
    assert 0 <= attacked.min() and attacked.max() <= 1
    assert 'adversarial' not in model.data_preprocessor(batch(), training=False)
    assert 'adversarial' not in model.data_preprocessor(batch())
    assert 'adversarial' in model.data_preprocessor(batch(), training=True)


def test_the_loss_is_that_of_the_images_as_the_network_sees_them():
    """TRADES by hand, on a stock model: attacked images first, for BatchNorm's statistics."""
    model, stock = classifier(dict(type='TRADES', beta=6.0, steps=1)), classifier()
    data = model.data_preprocessor(batch(), True)
    losses = model(**data, mode='loss')
    attacked = stock.data_preprocessor(dict(inputs=255 * data['adversarial']))['inputs']
    moved, clean = (F.log_softmax(stock(z, mode='tensor'), 1) for z in (attacked, data['inputs']))
    y = torch.tensor([0, 1, 2, 3, 4, 0])
    assert torch.allclose(losses['loss_clean'], F.nll_loss(clean, y), atol=1e-5)
    divergence = (clean.exp() * (clean - moved)).sum(1).mean()
    assert torch.allclose(losses['loss_robust'], 6 * divergence, atol=1e-5)
    assert_same_state(model, stock)


def test_cross_entropy_is_stock_training_bit_for_bit():
    models = classifier(dict(type='CrossEntropy')), classifier()
    for model in models:
        wrapper = wrapped(model, OptimWrapper)
        for number in range(2):
            model.train_step(batch(number), wrapper)
    assert_same_state(*models)


@pytest.mark.parametrize('wrapper', [SAMOptimWrapper, AmpSAMOptimWrapper])
def test_two_passes_share_one_attack(wrapper):
    model = classifier(dict(type='TRADES', steps=2))
    seen, crafted = watched(model)
    optimizer = wrapped(model, wrapper, rule=dict(type='SAM', rho=0.05), accumulative_counts=2)
    for number in range(2):
        model.train_step(batch(number), optimizer)
    assert len(crafted) == 2 and len(seen) == 4
    assert seen[0] is seen[1] is crafted[0] and seen[2] is seen[3] is crafted[1]
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    'loss',
    [dict(type='TRADES', steps=2), dict(type='FastAT'), dict(type='FreeAT')],
    ids=lambda x: x['type'],
)
def test_a_radius_of_zero_is_the_plain_step_bit_for_bit(loss):
    model = classifier(loss)
    assert_zero_radius_is_plain(model, [batch(0), batch(0), batch(1)])
    if loss['type'] == 'FreeAT':
        assert model.resume_state()['noise'].abs().max().item() == pytest.approx(EPS)


def test_the_attack_moves_no_statistics_and_no_gradients():
    model = classifier(dict(type='PGDAT', steps=2))
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    model.data_preprocessor(batch(), True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (
        all(p.grad is None for p in model.parameters())
        and [p.requires_grad for p in model.parameters()] == flags
    )
    assert [m.training for m in model.modules()] == modes


class Doubled(nn.Module):
    """A parametrization that counts how often the weight is computed."""

    computed = 0

    def forward(self, weight):
        self.computed += 1
        return 2 * weight


def test_parametrized_weights_train():
    """Computed once for the attack and once in each of two forwards of each of two passes; the
    original has the gradient.
    """
    model = classifier(dict(type='TRADES', steps=3))
    head, part = model.head.fc, Doubled()
    parametrize.register_parametrization(head, 'weight', part)
    part.computed, before = 0, head.parametrizations.weight.original.clone()
    model.train_step(batch(), wrapped(model, rule=dict(type='SAM', rho=0.05)))
    assert part.computed == 1 + 2 * 2
    assert not torch.equal(head.parametrizations.weight.original, before)


def test_a_copy_attacks_itself():
    model = classifier(dict(type='PGDAT', steps=1))
    twin = copy.deepcopy(model)
    nn.init.zeros_(twin.head.fc.weight)  # no gradient, so the attack stays at its start
    seed_all()
    start = model.robust_loss.start(torch.stack(batch()['inputs']) / 255).clamp(0, 1)
    seed_all()
    assert torch.allclose(twin.data_preprocessor(batch(), True)['adversarial'], start, atol=1e-6)
    seed_all()
    assert not torch.allclose(
        model.data_preprocessor(batch(), True)['adversarial'], start, atol=1e-6
    )


def test_the_loss_of_a_fixed_batch_leaves_no_trace():
    model = classifier(dict(type='TRADES', steps=2))
    rows = [dict(inputs=x, data_samples=s) for x, s in zip(*batch().values(), strict=True)]
    loader = SimpleNamespace(batch_size=4, dataset=rows, collate_fn=pseudo_collate)
    runner = SimpleNamespace(model=model, train_dataloader=loader)
    fixed, before, drawn = FixedBatch(runner), copy.deepcopy(model), generators()
    first = fixed.loss(model)
    assert first == fixed.loss(model) > 0 and generators() == drawn
    assert_same_state(model, before)


def test_without_an_attacked_batch_there_is_no_robust_loss():
    model = classifier(dict(type='TRADES'))
    with pytest.raises(
        ValueError, match='TRADES needs attacked images; get the batch by data_preprocessor'
    ):
        model(**model.data_preprocessor(batch(), False), mode='loss')


def test_a_loss_that_is_not_finite_stops_before_any_weight_changes():
    model = classifier(dict(type='TRADES', steps=1))
    with torch.no_grad():
        model.head.fc.bias[0] = torch.nan
    before = copy.deepcopy(dict(model.named_parameters()))
    with pytest.raises(
        ValueError,
        match=r'training loss is not finite \(loss_clean=nan, loss_robust=nan\) and no weight was',
    ):
        model.train_step(batch(), wrapped(model, rule=dict(type='SAM', rho=0.05)))
    assert all(
        torch.equal(p, before[name])
        for name, p in model.named_parameters()
        if name != 'head.fc.bias'
    )


def mixed():
    return dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])


@pytest.mark.parametrize(
    'changes, sentence',
    [
        (
            dict(train_cfg=mixed(), data_preprocessor=dict(num_classes=5)),
            'images and labels are mixed (Mixup and CutMix); leave augments',
        ),
        (
            dict(head=dict(HEAD, loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1))),
            'the head minimises LabelSmoothLoss',
        ),
        (
            dict(head=dict(HEAD, loss=dict(type='CrossEntropyLoss', class_weight=[1.0] * 5))),
            'CrossEntropyLoss with settings of its own',
        ),
        (
            dict(head=dict(HEAD, num_classes=1)),
            'the head has one output and robust losses need one logit for each of at least two',
        ),
        (
            dict(robust_loss=dict(type='TRADES', eps=8)),
            'TRADES got eps=8; pixels lie in [0, 1] here, so write 8/255',
        ),
    ],
)
def test_what_a_robust_loss_cannot_take_is_refused(changes, sentence):
    changes = dict(dict(robust_loss=dict(type='TRADES')), **changes)
    with pytest.raises(ValueError) as error:
        classifier(**changes)
    assert sentence in str(error.value)


def test_images_that_are_no_pixels_are_refused():
    model, data = classifier(dict(type='TRADES')), batch(dtype=torch.float32)
    data['inputs'][0] -= 300
    with pytest.raises(
        ValueError, match='values from -300 to 255|leave normalising to the data_preprocessor'
    ):
        model.data_preprocessor(data, True)
    data = batch()
    data['inputs'][0] = data['inputs'][0][:, :8]
    with pytest.raises(
        ValueError, match=r'images of \(3, 8, 16\) and \(3, 16, 16\); crop or resize'
    ):
        model.data_preprocessor(data, True)


def test_an_image_without_a_label_is_refused():
    model, data = classifier(dict(type='TRADES')), batch()
    data['data_samples'] = [DataSample().set_gt_label([0, 1]) for _ in range(6)]
    with pytest.raises(ValueError, match='no label or several; robust losses take exactly one'):
        model.data_preprocessor(data, True)


def test_a_ready_loss_may_be_given():
    loss = TRADES(steps=1)
    assert classifier(loss).robust_loss is loss


@pytest.mark.parametrize('label', [5, -1])
def test_a_label_that_the_head_has_not_is_named(label):
    model = classifier(dict(type='PGDAT', steps=1))
    data = batch()
    data['data_samples'][2] = DataSample().set_gt_label(label)
    sentence = (
        f'labels are from {min(label, 0)} to {max(label, 4)} and the head has 5 classes, 0 to 4'
    )
    with pytest.raises(ValueError, match=sentence):
        model.data_preprocessor(data, True)


@pytest.mark.parametrize('loss', ['TRADES', 'PGDAT', 'FastAT', 'FreeAT', 'MART'])
@pytest.mark.parametrize('channels, classes', [(1, 2), (4, 3), (6, 1000)])
def test_any_number_of_channels_and_classes_from_two(loss, channels, classes):
    model = classifier(
        dict(type=loss),
        data_preprocessor=dict(type='ClsDataPreprocessor', mean=[120.0], std=[50.0]),
        backbone=dict(type='mmrobustprune.CIFARResNet', depth=8, in_channels=channels),
        head=dict(HEAD, num_classes=classes),
    )
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, channels, 16, 16), generator=draw).to(torch.uint8)
    samples = [DataSample().set_gt_label(i % classes) for i in range(4)]
    data = model.data_preprocessor(dict(inputs=list(images), data_samples=samples), True)
    attacked = data['adversarial']
    moved = (attacked - images / 255).abs().max()
    assert attacked.shape == (4, channels, 16, 16) and moved <= EPS + 1e-6
    assert (moved > 0) == (loss != 'FreeAT')  # whose first images are the clean ones
    sum(model(**data, mode='loss').values()).backward()
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
