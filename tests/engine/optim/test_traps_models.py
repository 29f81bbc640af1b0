"""Zero radius is plain training, bit by bit, on the networks people train (T01 to T05, T29)."""

import copy

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmdet.testing import demo_mm_inputs
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS as CLASSIFIERS
from mmpretrain.structures import DataSample

from mmrobustprune.sharpness import SAM
from tests.support.passes import assert_zero_radius_is_plain, wrapped


def without_pretraining(config):
    """The config with every init_cfg that would read a file set to None."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == 'init_cfg' and isinstance(value, dict) and value.get('type') == 'Pretrained':
                config[key] = None
            else:
                without_pretraining(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            without_pretraining(value)
    return config


def detector(name, **changes):
    """A detector of an mmdet config, its widths and depths changed."""
    register_all_modules(init_default_scope=False)
    init_default_scope('mmdet')
    config = Config(dict(model=get_config(f'mmdet::{name}').model))
    config.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    torch.manual_seed(0)
    model = DETECTORS.build(without_pretraining(config.model))
    for module in model.modules():
        if type(module).__name__ == 'L2Norm':  # mmdet leaves its scale uninitialised
            torch.nn.init.constant_(module.weight, 20)
    return model.train()


def images(size, classes, steps=2, **kwargs):
    shapes = [(3, size, size), (3, size, size)]
    return [demo_mm_inputs(2, shapes, [4, 6], classes, **kwargs) for _ in range(steps)]


def retinanet():
    model = detector('retinanet/retinanet_r18_fpn_1x_coco.py', **{'backbone.norm_eval': False})
    return model, images(96, 80)


def faster_rcnn():
    model = detector(
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        **{
            'backbone.depth': 18,
            'backbone.norm_eval': False,
            'neck.in_channels': [64, 128, 256, 512],
            'roi_head.bbox_head.fc_out_channels': 64,
            'train_cfg.rpn_proposal.nms_pre': 100,
            'train_cfg.rcnn.sampler.num': 32,
        },
    )
    return model, images(96, 80)


def yolox():
    sizes = dict(type='BatchSyncRandomResize', random_size_range=(96, 160), interval=1)
    model = detector(
        'yolox/yolox_tiny_8xb8-300e_coco.py', **{'data_preprocessor.batch_augments': [sizes]}
    )
    MessageHub.get_current_instance().update_info('iter', 0)
    return model, images(96, 80)


def rtmdet():
    return detector('rtmdet/rtmdet_tiny_8xb32-300e_coco.py'), images(96, 80)


def rtmdet_ins():
    """Its loss changes the samples in place (T05)."""
    return detector('rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py'), images(96, 80, with_mask=True)


def ssd512():
    return detector('pascal_voc/ssd512_voc0712.py'), images(288, 20)


def classifier(backbone, channels, **preprocessor):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = CLASSIFIERS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=5, in_channels=channels),
            data_preprocessor=dict(mean=[127.0] * 3, std=[60.0] * 3, num_classes=5, **preprocessor),
        )
    )
    draw = torch.Generator().manual_seed(1)
    data = [
        dict(
            inputs=torch.randint(0, 256, (4, 3, 64, 64), generator=draw, dtype=torch.uint8),
            data_samples=[DataSample().set_gt_label(label) for label in (0, 1, 2, 3)],
        )
        for _ in range(2)
    ]
    return model.train(), data


def resnet_mixup():
    batch_augments = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])
    return classifier(dict(type='ResNet', depth=18), 512, batch_augments=batch_augments)


def mobilenet_v2():
    return classifier(dict(type='MobileNetV2', widen_factor=1.0), 1280)


@pytest.mark.parametrize(
    'make',
    [
        retinanet,
        faster_rcnn,
        yolox,
        rtmdet,
        rtmdet_ins,
        resnet_mixup,
        mobilenet_v2,
        pytest.param(ssd512, marks=pytest.mark.slow),
    ],
    ids=lambda make: make.__name__,
)
def test_T01_zero_radius_is_plain_training(make):
    model, batches = make()
    assert_zero_radius_is_plain(model, batches)


def test_T01_notices_a_radius():
    """The comparison above is no empty one."""
    model, batches = mobilenet_v2()
    with pytest.raises(AssertionError):
        assert_zero_radius_is_plain(model, batches, dict(type='SAM', rho=0.05))


def test_T02_the_samplers_of_faster_rcnn_need_the_replay(monkeypatch):
    monkeypatch.setattr('mmrobustprune.rng.RandomState.restore', lambda self: None)
    model, batches = faster_rcnn()
    with pytest.raises(AssertionError):
        assert_zero_radius_is_plain(model, batches[:1])


def test_T06_multi_scale_batches_are_resized_once():
    """YOLOX's preprocessor draws a size and scales the boxes in place."""
    model, batches = yolox()
    seen = []
    model.data_preprocessor.register_forward_hook(lambda *_: seen.append(1))
    model.train_step(batches[0], wrapped(model, rule=SAM()))
    assert len(seen) == 1


def test_every_rule_trains_a_detector():
    start, batches = yolox()
    for rule in ('SAM', 'ASAM', 'AdaSAP', 'AWP'):
        model = copy.deepcopy(start)
        model.train_step(copy.deepcopy(batches[0]), wrapped(model, rule=dict(type=rule)))
        before = start.state_dict()
        changed = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
        assert len(changed) > 50, rule
        assert all(torch.isfinite(value).all() for value in model.state_dict().values()), rule
