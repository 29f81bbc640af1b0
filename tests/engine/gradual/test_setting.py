"""Where a pruning takes place: the example, the forwards and whose steps are watched."""

import json
from dataclasses import FrozenInstanceError

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, RUNNERS, init_default_scope
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward
from mmrobustprune.engine.gradual.setting import Setting, stepper_of
from mmrobustprune.engine.gradual.state import GradualPruning
from mmrobustprune.engine.optim.optim_wrapper import SAMOptimWrapper
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.scores import Magnitude, Taylor
from tests.support.forwards import logits
from tests.support.tiny import classifier, pruned


def test_what_a_setting_is_unless_it_is_said():
    setting = Setting()
    assert setting.forward is setting.timed_forward is tensor_forward
    assert (setting.example, setting.work_dir, setting.stepper) == (None, '', None)
    with pytest.raises(FrozenInstanceError):
        setting.work_dir = 'elsewhere'


def built(kind='ImageClassifier'):
    config = classifier('unused')
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    preprocessor = config.data_preprocessor
    return MODELS.build(dict(config.model, type=kind, data_preprocessor=preprocessor)).eval()


def begun(model, setting):
    recipe = build_recipe(dict(recipe='magnitude', target=0.5, budget='channels'))
    found = trace(model, setting.example, setting.forward)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return GradualPruning(model, found, recipe, 1, optimizer, setting)


def test_a_classifier_is_certified_by_its_tensor_forward():
    model = built()
    pruning = begun(model, Setting(example_of_shape(model, 16, 16)))
    half = pruning.rehearse()
    assert half.achieved == dict(channels=0.5)
    assert half.layers['backbone.conv1']['out'] == [0, 2, 4, 6]  # 8 in all
    pruning.mask(pruning.targets(1))
    assert pruning.progress()['channels'] == 0.5 and pruning.certify() < 1e-4


def test_another_forward_traces_and_certifies_what_the_own_one_cannot():
    model = built('Numbered')
    example = example_of_shape(model, 16, 16)
    with pytest.raises(ValueError, match='cannot be traced'):
        begun(model, Setting(example))
    pruning = begun(model, Setting(example, forward=logits))
    stock = built()
    plain = begun(stock, Setting(example_of_shape(stock, 16, 16)))
    assert pruning.rehearse().layers == plain.rehearse().layers


def telling(model, example):
    """Logits that tell how many channels the first layer has."""
    return logits(model, example) + model.backbone.conv1.out_channels


def test_the_rehearsal_and_the_certificate_see_what_the_forward_gives():
    model = built()
    pruning = begun(model, Setting(example_of_shape(model, 16, 16), telling))
    with pytest.raises(ValueError, match=r"outputs .* differ .* ignore=\['backbone.conv1'\]"):
        pruning.rehearse()
    pruning.mask({'backbone.conv1': torch.arange(8) < 4})
    with pytest.raises(ValueError, match=r"outputs .* differ .* ignore=\['backbone.conv1'\]"):
        pruning.certify()


@pytest.mark.parametrize('watched', ['wrapper', 'optimizer'])
def test_a_stepper_that_clips_is_watched_before_it_does(watched):
    """y = 3 w1 + 4 w2 with w = (1 2): weights times gradients are 3 + 8 = 11, squared 121.

    The gradient (3 4) has norm 5, so clipping to 1 leaves a fifth, (11 / 5) squared.
    """
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    model[0].weight = nn.Parameter(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    model[1].weight = nn.Parameter(torch.tensor([[1.0, 0.0]]), requires_grad=False)
    image = torch.tensor([[3.0, 4.0]])
    optimizer = torch.optim.SGD([model[0].weight], lr=0.1)
    wrapper = SAMOptimWrapper(optimizer, rule=None, clip_grad=dict(max_norm=1.0))
    setting = Setting(
        image,
        lambda network, example: network(example),
        stepper=wrapper if watched == 'wrapper' else None,
    )
    recipe = build_recipe(dict(recipe='taylor', target=0.5, budget='channels'))
    found = trace(model, image)
    pruning = GradualPruning(model, found, recipe, 1, optimizer, setting)
    pruning.watch()
    with wrapper.optim_context(model):
        loss = model(image).sum()
    wrapper.update_params(loss)
    seen = 121.0 if watched == 'wrapper' else (11 / 5) ** 2
    assert pruning.unit_scores()['0'].tolist() == pytest.approx([seen, 0.0], rel=1e-4)


def test_scores_of_gradients_are_those_of_the_loss_not_of_what_clipping_leaves(tmp_path):
    found = []
    for name, clip in (('plain', None), ('clipped', dict(max_norm=1e-3))):
        config = pruned(classifier(tmp_path / name, epochs=4), recipe='taylor', measure=False)
        config.optim_wrapper.update(clip_grad=clip, optimizer=dict(type='SGD', lr=0.0))
        runner = RUNNERS.build(config)
        runner.register_hook(Sums(found))
        runner.train()
    assert len(found) == 2 and found[0].keys() == found[1].keys()
    assert all(torch.allclose(value, found[1][key]) for key, value in found[0].items())


def test_a_stock_wrapper_that_clips_is_refused_for_scores_of_gradients():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    plain = OptimWrapper(optimizer)
    clips = OptimWrapper(optimizer, clip_grad=dict(max_norm=1.0))
    assert stepper_of(plain, Taylor()) is None and stepper_of(clips, Magnitude()) is None
    with pytest.raises(ValueError, match='OptimWrapper clips the gradients .* before Taylor sees'):
        stepper_of(clips, Taylor())


def test_a_round_waits_until_a_step_was_not_left_out(tmp_path, monkeypatch):
    """As where every step between two rounds overflowed: rounds are due at 2, 4 and 6 of 8."""
    seen = []
    observe = Taylor.observe

    def overflows_twice(score, model):
        seen.append(model)
        if len(seen) not in (3, 4):
            observe(score, model)

    monkeypatch.setattr(Taylor, 'observe', overflows_twice)
    fields = dict(warmup=0, rounds=3, interval=2, measure=False)
    config = pruned(classifier(tmp_path, epochs=2), recipe='taylor', **fields)
    runner = RUNNERS.build(config)
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [record['iteration'] for record in rounds] == [2, 5, 6]


class Sums(Hook):
    """Keeps what a score has seen in the first two batches."""

    def __init__(self, found):
        self.found = found

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 1:
            score = next(hook for hook in runner.hooks if hasattr(hook, 'pruning')).pruning.score
            self.found.append({name: value.clone() for name, value in score.sums.items()})
