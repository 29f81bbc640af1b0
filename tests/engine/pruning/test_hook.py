"""What all three pruning hooks share: checkpoints of one recipe, stock Runners, penalties."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.apis import get_model

from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.engine.bridge import checkpoint as checkpoints
from mmrobustprune.engine.gradual.hook import PrunePhaseHook
from mmrobustprune.engine.grouped.hook import GroupedKernelHook
from mmrobustprune.engine.optim.optim_wrapper import SAMOptimWrapper
from mmrobustprune.engine.pruning.hook import PruningHook
from mmrobustprune.engine.search.hook import MaskSearchHook
from mmrobustprune.recipes import RECIPES, Phase
from mmrobustprune.recipes.gradual import MagnitudeRecipe
from tests.support.tiny import classifier, quick

GRADUAL = dict(target=0.5, warmup='1 epochs', rounds=2, interval=2, measure=False)
SEARCH = dict(target=0.8, pretrain='1 epochs', search='1 epochs', warmup=0, measure=False)
FIELDS = dict(
    magnitude=GRADUAL,
    taylor=GRADUAL,
    sr_gkp=dict(target=0.5, groups=4, search='greedy', measure=False),
    s2ap_hydra=dict(SEARCH, perturb='none'),
    s2ap_harp=dict(SEARCH, perturb='none', select='last', target=0.5),
)
HOOKS = dict(magnitude=PrunePhaseHook, sr_gkp=GroupedKernelHook, s2ap_hydra=MaskSearchHook)
KINDS = dict(magnitude='gradual', taylor='gradual', sr_gkp='grouped')


def under(folder, recipe, runner_type='mmrobustprune.PruneRunner', epochs=3):
    config = quick(classifier(folder, epochs=epochs).to_dict())
    fields = dict(FIELDS[recipe], recipe=recipe)
    if runner_type:
        config.runner_type = runner_type
        config.robust_prune = fields
    else:
        kind = f'mmrobustprune.{HOOKS[recipe].__name__}'
        config.custom_hooks = [dict(fields, type=kind)]
    return config


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The first and the last checkpoint of a training under each recipe."""
    folder = tmp_path_factory.mktemp('trained')
    for recipe in FIELDS:
        RUNNERS.build(under(folder / recipe, recipe)).train()
    return folder


@pytest.mark.parametrize('epoch', [1, 3], ids=['before', 'after'])
@pytest.mark.parametrize('written, followed', list(itertools.permutations(FIELDS, 2)))
def test_a_checkpoint_of_another_recipe_is_not_resumed(trained, tmp_path, written, followed, epoch):
    config = under(tmp_path, followed, epochs=4)
    config.load_from = str(trained / written / f'epoch_{epoch}.pth')
    config.resume = True
    runner = RUNNERS.build(config)
    with pytest.raises(ValueError) as error:
        runner.train()
    assert str(error.value) == (
        f"the checkpoint to resume was written under robust_prune.recipe='{written}' and this "
        f"training follows '{followed}'; resume it with recipe='{written}', or start from its "
        'weights with load_from instead of --resume.'
    )
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('recipe', FIELDS)
def test_a_checkpoint_says_which_hook_and_recipe_wrote_it(trained, recipe):
    saved = torch.load(trained / recipe / 'epoch_1.pth', weights_only=True)['robust_prune']
    assert (saved['kind'], saved['recipe']) == (KINDS.get(recipe, 'search'), recipe)
    assert saved['plan']['spans'][-1][0] == 'finetune'


@pytest.mark.parametrize('recipe', ['magnitude', 'sr_gkp'])
@pytest.mark.parametrize('source', ['magnitude', 'sr_gkp'])
def test_a_pruned_network_is_not_pruned_again(trained, tmp_path, recipe, source):
    config = under(tmp_path, recipe)
    config.load_from = str(trained / source / 'pruned.pth')
    with pytest.raises(ValueError, match='is pruned already .* start from the dense checkpoint'):
        RUNNERS.build(config).train()
    config = under(tmp_path / 'config', recipe)
    config.model = Config.fromfile(trained / source / 'pruned.py').model
    with pytest.raises(ValueError, match="loaded from the config's model is pruned already"):
        RUNNERS.build(config).train()


@pytest.mark.parametrize('recipe', HOOKS)
def test_a_stock_runner_with_the_hook_works_to_the_end(tmp_path, recipe):
    runner = Runner.from_cfg(under(tmp_path, recipe, runner_type=None))
    assert type(runner) is Runner
    runner.train()
    init_default_scope('mmpretrain')
    config = Config.fromfile(tmp_path / 'pruned.py')
    assert not config.get('custom_hooks')  # trained on, the network is not pruned once more
    model = get_model(config, str(tmp_path / 'pruned.pth'))
    state = torch.load(tmp_path / 'epoch_3.pth', weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state['state_dict'][name]), name
    assert ('mmrobustprune' in state['meta']) == (recipe != 's2ap_hydra')


@pytest.mark.parametrize('recipe', HOOKS)
def test_a_stock_runner_resumes_beyond_the_removal(tmp_path, recipe):
    Runner.from_cfg(under(tmp_path, recipe, runner_type=None)).train()
    config = under(tmp_path, recipe, runner_type=None, epochs=4)
    config.resume = True
    runner = Runner.from_cfg(config)
    runner.train()
    before, after = (
        torch.load(tmp_path / f'epoch_{n}.pth', weights_only=True)['state_dict'] for n in (3, 4)
    )
    assert runner.iter == 24
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}


@pytest.mark.parametrize('recipe', HOOKS)
def test_a_recipe_of_another_hook_is_refused(recipe):
    for other, fields in FIELDS.items():
        if RECIPES[other].hook.endswith(HOOKS[recipe].__name__):
            continue
        with pytest.raises(
            ValueError, match=f"recipe '{other}' is not one of {HOOKS[recipe].__name__};"
        ):
            HOOKS[recipe](recipe=other, **fields)


class Pressed(MagnitudeRecipe):
    """A phase more: while it lasts the units of least index are pressed towards zero."""

    def phases(self):
        warmup, prune, finetune = super().phases()
        return (warmup, Phase('press', '1 epochs', penalty=press), prune, finetune)


def press(model, groups, done):
    """Half of the squares of the first units of every group, growing from 1 to 2 in the phase."""
    chosen = [find_layer(model, group.name).weight[: group.units // 2] for group in groups]
    return 0.5 * (1 + done) * sum(weight.square().sum() for weight in chosen)


class LossesOf(Hook):
    """The losses that are logged, iteration by iteration, and the pressed squares."""

    priority = 'LOWEST'

    def __init__(self):
        self.names, self.loss = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.names.append(sorted(name for name in outputs if name.startswith('loss')))
        self.loss.append(outputs.get('loss_press'))


@pytest.mark.parametrize('rule', [None, dict(type='SAM', rho=0.05)], ids=['plain', 'SAM'])
def test_a_phase_of_regularisation_is_a_recipe_with_a_penalty(tmp_path, monkeypatch, rule):
    monkeypatch.setitem(RECIPES, 'magnitude', Pressed)
    config = under(tmp_path, 'magnitude', epochs=4)
    config.robust_prune.rule = rule
    runner = RUNNERS.build(config)
    seen = LossesOf()
    runner.register_hook(seen)
    runner.train()
    pressed = [number for number, names in enumerate(seen.names) if 'loss_press' in names]
    assert pressed == list(range(6, 12))
    factors = [1 + n / 6 for n in range(6)]
    squares = [float(seen.loss[n]) / f for n, f in zip(pressed, factors, strict=True)]
    assert squares[-1] < 0.8 * squares[0]  # 0.05 * (1 + done) of it goes with every step
    rounds = torch.load(tmp_path / 'epoch_4.pth', weights_only=True)['robust_prune']['rounds']
    assert [record['iteration'] for record in rounds] == [14, 16]


@pytest.mark.parametrize('rank, world, expected', [(0, 2, 1.0), (1, 2, 2.0), (1, 3, 1.0)])
def test_each_process_goes_on_from_its_own_offset(monkeypatch, rank, world, expected):
    monkeypatch.setattr(checkpoints, 'get_rank', lambda: rank)
    monkeypatch.setattr(checkpoints, 'get_world_size', lambda: world)
    hook = MaskSearchHook(recipe='s2ap_hydra', target=0.8, rule=dict(carry=True))
    main, own = (dict(z={'a.scores': torch.tensor(value)}) for value in (1.0, 2.0))
    saved = dict(kind=hook.kind, recipe='s2ap_hydra', rule=main)
    ranks = [dict(rule={}), dict(rule=own)]
    resumed = dict(robust_prune=saved, resume=dict(ranks=ranks))
    PruningHook.after_load_checkpoint(hook, SimpleNamespace(_resume=True), resumed)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    runner = SimpleNamespace(optim_wrapper=SAMOptimWrapper(optimizer, rule=None))
    hook.use_rule(runner, hook.recipe.search_rule())
    assert runner.optim_wrapper.rule.state_dict()['z']['a.scores'] == expected
