"""The table of mends, and those that are in no file of their own."""

import importlib.util
import sys
import types

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmrobustprune.compat import fixes as compat


def test_ssd_predicts():
    pytest.importorskip('mmdet')
    from mmdet.models.dense_heads import SSDHead
    from mmdet.utils import register_all_modules

    register_all_modules()
    head = SSDHead(
        num_classes=2,
        in_channels=(8, 8),
        anchor_generator=dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            strides=[8, 16],
            ratios=[[2], [2]],
            min_sizes=[8, 16],
            max_sizes=[16, 24],
        ),
        test_cfg=Config(
            dict(nms_pre=10, nms=dict(type='nms', iou_threshold=0.5), score_thr=0.0, max_per_img=5)
        ),
    )
    features = [torch.rand(1, 8, 4, 4), torch.rand(1, 8, 2, 2)]
    meta = dict(img_shape=(32, 32), scale_factor=(1, 1))
    assert len(head.predict_by_feat(*head(features), batch_img_metas=[meta])) == 1


def test_a_distilled_detector_changes_as_every_network_does():
    pytest.importorskip('mmdet')
    from mmdet.models.detectors import KnowledgeDistillationSingleStageDetector

    model = KnowledgeDistillationSingleStageDetector.__new__(
        KnowledgeDistillationSingleStageDetector
    )
    nn.Module.__init__(model)
    model.eval_teacher = True
    model.teacher_model = nn.Linear(1, 1)
    assert model.train() is model and model.training
    assert model.eval() is model and not model.training and not model.teacher_model.training
    model.layer = nn.Linear(1, 1)
    assert model.to(torch.float64) is model and model.layer.weight.dtype == torch.float64
    assert model.teacher_model.weight.dtype == torch.float64


@pytest.mark.parametrize('editable', [False, True])
def test_our_configs_are_found_by_name(tmp_path, monkeypatch, editable):
    if editable:  # pip leaves only a record of the package in site-packages
        record = tmp_path / 'site' / 'mmrobustprune-0.1.0.dist-info'
        record.mkdir(parents=True)
        (record / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: mmrobustprune\nVersion: 0.1.0\n'
        )
        (record / 'top_level.txt').write_text('mmrobustprune\n')
        monkeypatch.syspath_prepend(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text("_base_ = 'mmrobustprune::recipes/adasap.py'\n")
    assert Config.fromfile(tmp_path / 'mine.py').robust_prune.recipe == 'adasap'


def test_our_configs_build_the_models_of_others(tmp_path):
    """The types in them are mmdet's, though the path begins with our name."""
    pytest.importorskip('mmdet')
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.registry import DefaultScope

    (tmp_path / 'mine.py').write_text("_base_ = 'mmrobustprune::shapes/ssd-r18_shapes.py'\n")
    config = Config.fromfile(tmp_path / 'mine.py')
    assert config.default_scope == 'mmdet' and '_scope_' not in config.train_dataloader.dataset
    assert config.visualizer._scope_ == 'mmdet'  # of the package that is its own base
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        assert type(MODELS.build(config.model)).__name__ == 'SingleStageDetector'


def refused():
    """What importing the mends says, in an environment that does not do."""
    spec = importlib.util.spec_from_file_location('compat_again', compat.__file__)
    with pytest.raises(ImportError) as error:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return error


def test_a_torchvision_of_another_build_is_named(monkeypatch, tmp_path):
    words = 'operator torchvision::nms does not exist'
    (tmp_path / 'torchvision.py').write_text(f'raise RuntimeError({words!r})')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'torchvision', raising=False)
    assert str(refused().value) == (
        f'torchvision does not load ({words}), as it was built for another torch than '
        f'{torch.__version__}; install the torchvision of torch {torch.__version__}, from where '
        'that torch came.'
    )


def test_an_older_torch_is_named(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    error = refused()
    assert 'torch 2.6 or newer' in str(error.value) and '2.5.1' in str(error.value)


@pytest.mark.parametrize('faulty, said', [(True, 'active'), (False, 'not needed')])
def test_a_mend_is_applied_where_the_fault_shows(monkeypatch, faulty, said):
    module = types.ModuleType('somewhere')
    monkeypatch.setitem(sys.modules, 'somewhere', module)
    applied = []
    fix = compat.Fix('somewhere', lambda found: found is module and faulty, applied.append, '#1')
    compat._repair(fix, module)
    assert applied == [module] * faulty and compat.state(fix) == said


def test_what_cannot_be_tried_is_left_and_said(monkeypatch):
    module = types.ModuleType('somewhere')
    monkeypatch.setitem(sys.modules, 'somewhere', module)
    applied = []
    fix = compat.Fix('somewhere', lambda found: found.Head, applied.append, 'no head')
    with pytest.warns(UserWarning, match="whether somewhere has the fault 'no head' cannot be"):
        compat._repair(fix, module)
    assert not applied and compat.state(fix).startswith('not tried (AttributeError: module')


def test_no_mend_is_needed_a_second_time():
    """Every fault is gone once it is mended; whether it was there the installed versions say."""
    pytest.importorskip('mmdet')
    pytest.importorskip('mmpretrain')
    for fix in compat.FIXES:
        assert compat.state(fix) in ('active', 'not needed'), fix.issue
        assert not fix.is_faulty(sys.modules[fix.module]), fix.issue


@pytest.mark.parametrize('sets_it', [True, False])
def test_a_head_that_sets_its_loss_is_left_alone(sets_it):
    class Setting:
        def __init__(self):
            self.loss_cls = 1

    class Plain:
        def __init__(self):
            self.loss = 1

    module = types.SimpleNamespace(SSDHead=Setting if sets_it else Plain)
    assert compat._has_no_loss(module) != sets_it
