"""Models of mmpretrain and mmdet: groups found, layers left unprunable, certificate."""

import pytest
import torch

import mmrobustprune.models  # noqa: F401  it knows the norms of mmpretrain
from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import MaskSet, RankedSelection
from mmrobustprune.scores import Magnitude
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.compare import difference, one_ulp_off, random_like, randomise
from mmrobustprune.surgery import certify, trace
from tests.support import zoo
from tests.support.networks import every_third_dead

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')

OUTPUT = 'it is an output of the model'
# name -> groups, units, and {a pattern of layer names: why they are left whole}
FOUND = {
    'resnet18': (12, 2880, {'head.fc': OUTPUT}),
    'resnet50': (37, 11456, {'head.fc': OUTPUT}),
    'mobilenet_v2': (25, 9128, {'head.fc': OUTPUT}),
    'seresnet50': (53, 12400, {'head.fc': OUTPUT}),
    'resnext50': (24, 4512, {'head.fc': OUTPUT}),
    'shufflenet_v1': (18, 288, {'head.fc': OUTPUT}),
    'shufflenet_v2': (20, 3171, {'layers.1.0.branch1.1.conv': 'from each of the parts of'}),
    'res2net50': (61, 6816, {'head.fc': OUTPUT}),
    'regnet': (49, 1376, {'head.fc': OUTPUT}),
    'cspdarknet': (44, 11328, {'head.fc': OUTPUT}),
    'resnest50': (55, 11520, {'head.fc': OUTPUT}),
    'tood': (43, 12160, {'reduction_conv': 'it did not run in the traced forward'}),
    'dcn': (41, 14016, {'conv_offset': 'as offsets or masks'}),
    'convnext': (22, 27936, {'head.fc': OUTPUT}),
    'convnext_v2': (16, 7960, {'head.fc': OUTPUT}),
    'poolformer': (16, 14336, {'head.fc': OUTPUT}),
    'vgg11': (10, 10944, {'classifier.6': OUTPUT}),
    'ssd300': (23, 8192, {'cls_convs': OUTPUT, 'reg_convs': OUTPUT}),
    'ssd512': (25, 8576, {'cls_convs': OUTPUT, 'reg_convs': OUTPUT}),
    'ssdlite': (33, 10856, {'cls_convs': OUTPUT, 'reg_convs': OUTPUT}),
    'retinanet': (22, 5440, {'retina_cls': OUTPUT, 'retina_reg': OUTPUT}),
    'faster_rcnn': (
        41,
        14016,
        {'fpn_convs': 'a tensor of fixed width', 'rpn_reg': OUTPUT, 'fc_cls': OUTPUT},
    ),
    'yolox': (67, 8208, {'multi_level_conv_cls': OUTPUT}),
    'fcos': (47, 12032, {'conv_cls': OUTPUT, 'conv_centerness': OUTPUT}),
    'mask_rcnn_gn': (49, 1966, {'fc_cls': OUTPUT, 'conv_logits': OUTPUT}),
    'rtmdet': (55, 6984, {'rtm_cls': OUTPUT}),
}
SLOW = {
    'vgg11',
    'ssd300',
    'ssd512',
    'convnext',
    'convnext_v2',
    'faster_rcnn',
    'mask_rcnn_gn',
    'seresnet50',
    'fcos',
    'resnext50',
    'res2net50',
    'regnet',
    'cspdarknet',
    'resnest50',
    'tood',
    'dcn',
    'shufflenet_v1',
    'shufflenet_v2',
    'rtmdet',
}


def build(name):
    return (zoo.detector if name in zoo.DETECTORS else zoo.classifier)(name)


@pytest.mark.parametrize(
    'name', [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FOUND]
)
def test_traced_and_certified(name):
    model, example, forward = build(name)
    found = trace(model, example, forward)
    groups, units, reasons = FOUND[name]
    assert (len(found.groups), sum(group.units for group in found.groups)) == (groups, units)
    for layer, reason in reasons.items():
        unprunable = [why for key, why in found.unprunable.items() if layer in key]
        assert unprunable and all(reason in why for why in unprunable)
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, example, forward) <= 1e-10


def test_half_of_the_parameters_of_a_detector():
    model, example, forward = build('retinanet')
    found = trace(model, example, forward)
    cost = CostModel(model, found.groups, found.shapes)
    dense = count(model, example, forward)
    assert (cost.dense['params'], cost.dense['macs']) == (dense.params, dense.macs)
    alive = RankedSelection(cost, 'params').plan(Magnitude()(model, found.groups), 0.5)
    masks = MaskSet(model, found.groups)
    masks.remove(alive)
    rebuild(model, masks.structure('Magnitude'))
    small = count(model, example, forward)
    assert cost.count(alive)['params'] == small.params
    assert cost.count(alive)['macs'] == small.macs
    assert 0.5 <= 1 - small.params / dense.params <= 0.51


def test_frozen_stages_are_pruned_and_stay_frozen():
    model, example, forward = build('retinanet')
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert 'backbone.conv1.weight' in frozen
    found = trace(model, example, forward)
    assert 'backbone.conv1' in [group.name for group in found.groups]
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == frozen
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    rebuild(model, masks.structure('test'))
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == frozen


def test_resnet50_has_the_known_size():
    model, images, forward = build('resnet50')
    cost = CostModel(model, (), trace(model, images[:1], forward).shapes)
    assert cost.dense['params'] == 25_557_032
    images = torch.zeros(1, 3, 224, 224)
    assert round(count(model, images, forward).macs / 1e9, 2) == 4.09


def test_l2norm_of_ssd_follows_its_channels():
    model, example, forward = build('ssd300')
    groups = trace(model, example, forward).groups
    group = next(g for g in groups for part in g.slices if part.layer == 'neck.l2_norm.weight')
    masks = MaskSet(model, groups)
    masks.remove({group.name: torch.arange(512) % 2 == 0})
    rebuild(model, masks.structure('test'))
    assert model.neck.l2_norm.n_dims == 256 and model.neck.l2_norm.weight.shape == (256,)


@pytest.mark.slow
@pytest.mark.parametrize('seed', [0, 1])
def test_offsets_of_deformable_convolutions_amplify_rounding(seed):
    """On random weights one ulp of the input does up to 5e-9 to RetinaNet with DCN v1."""
    from mmdet.registry import MODELS
    from mmengine.hub import get_config

    build('retinanet')  # registers what mmdet has, and its scope
    config = get_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py').model
    dcn = dict(type='DCN', deform_groups=1, fallback_on_stride=False)
    config.backbone.update(
        base_channels=16,
        stem_channels=16,
        init_cfg=None,
        dcn=dcn,
        stage_with_dcn=(False, True, True, True),
    )
    config.neck.update(in_channels=[64, 128, 256, 512], out_channels=64)
    config.bbox_head.update(in_channels=64, feat_channels=64)
    torch.manual_seed(seed)
    model = MODELS.build(config)
    image = torch.randn(1, 3, 128, 128)

    def forward(model, image):
        return model.bbox_head(model.extract_feat(image))

    found = trace(model, image, forward)
    cost = CostModel(model, found.groups, found.shapes)
    alive = RankedSelection(cost, 'params').plan(Magnitude()(model, found.groups), 0.3)
    masks = MaskSet(model, found.groups)
    masks.remove(alive)
    assert certify(masks, image, forward, seed=seed) < 1e-6
    randomise(model.double().eval(), seed)
    x = random_like(image, torch.float64, seed)
    with torch.no_grad():
        effect = difference(forward(model, x), forward(model, one_ulp_off(x, 0)))
    assert effect > 1000 * 2.0**-52
