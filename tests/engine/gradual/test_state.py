"""Scores, masks and progress of a gradual pruning, on networks whose numbers can be written down.

`chain()` is linear: 2 -> 4 -> 2 -> 1 with whole numbers as weights and no bias, so that the groups
'0' (4 units) and '1' (2 units) have the sums of absolute weights 2 4 6 8 and 3 9.
"""

import io
import json

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.gradual.setting import Setting
from mmrobustprune.engine.gradual.state import GradualPruning, only, ranked_as
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.sharpness import build_rule, two_pass_step
from tests.support.networks import Residual

IMAGE = torch.ones(1, 2)
SIZES = dict(type='Magnitude', p=1)


def chain():
    model = nn.Sequential(*[nn.Linear(a, b, bias=False) for a, b in ((2, 4), (4, 2), (2, 1))])
    weights = (
        [[1.0, 0.0], [2.0, 0.0], [3.0, -1.0], [-5.0, 1.0]],
        [[1.0, 0.0, -1.0, 1.0], [0.0, 2.0, 1.0, 1.0]],
        [[0.0, -5.0]],
    )
    for layer, weight in zip(model, weights, strict=True):
        layer.weight = nn.Parameter(torch.tensor(weight))
    return model


def called(model, example):
    return model(example)


def begun(model, score=SIZES, rounds=2, target=0.5, example=IMAGE, **optimizer):
    """A pruning of half of the units, three of six of `chain()`."""
    fields = dict(recipe='magnitude', budget='channels', score=score, target=target)
    found = trace(model, example)
    stepper = torch.optim.SGD(model.parameters(), **dict(dict(lr=0.0), **optimizer))
    setting = Setting(example=example, forward=called)
    pruning = GradualPruning(model, found, build_recipe(fields), rounds, stepper, setting)
    pruning.watch()
    return pruning


def step(pruning):
    """One step of the loss `output of ones`: Taylor's products are those of the worked example."""
    pruning.model(IMAGE).sum().backward()
    pruning.optimizer.step()


def listed(values):
    return {name: value.tolist() for name, value in values.items()}


# --- scores ---------------------------------------------------------------------------------------


def test_scores_of_units_and_of_neurons():
    pruning = begun(chain())
    assert pruning.ready
    assert listed(pruning.unit_scores()) == {'0': [2, 4, 6, 8], '1': [3, 9]}
    # units over filters; the last layer is in no group, and has its filter's own score
    neurons = {'0.weight': [2, 4, 6, 8], '1.weight': [3, 9], '2.weight': [5]}
    assert listed(pruning.neuron_scores()) == neurons


def test_scores_of_gradients_come_with_the_first_step():
    """a = (1 2 2 -4) times its gradient (0 -10 -5 -5), and b = (-5 2) times (0 -5), squared."""
    pruning = begun(chain(), dict(type='Taylor'))
    assert not pruning.ready
    step(pruning)
    assert pruning.ready
    assert listed(pruning.unit_scores()) == {'0': [0, 400, 100, 400], '1': [0, 100]}
    pruning.begin_window()
    assert not pruning.ready


def test_a_group_that_the_score_cannot_see_takes_the_values_of_the_others_by_rank():
    """Norms of '0' rank 1 2 3 4, at the quantiles 1/8 3/8 5/8 7/8 of (0 100) / 50, times 50."""
    model = chain()
    model[0].weight.requires_grad = False
    pruning = begun(model, dict(type='Taylor'))
    step(pruning)
    scores = pruning.unit_scores()
    assert scores.keys() == {'0', '1'} and scores['1'].tolist() == [0, 100]
    assert scores['0'].tolist() == pytest.approx([12.5, 37.5, 62.5, 87.5])


@pytest.mark.parametrize('score', ['Taylor', 'TaylorBN', 'HALPTaylor'])
def test_where_the_score_sees_nothing_the_norms_are_taken_as_they_are(score):
    model = chain()
    model[0].weight.requires_grad = False
    model[1].weight.requires_grad = False
    pruning = begun(model, dict(type=score))
    step(pruning)
    assert pruning.neuron_scores() == {}  # radii follow the norms of the filters
    scores = listed(pruning.unit_scores())
    assert scores['0'] == pytest.approx([value**0.5 for value in (2, 8, 12, 28)])
    assert scores['1'] == pytest.approx([3**0.5, 31**0.5])


def test_sizes_take_by_rank_the_values_of_the_scores():
    scores = [torch.tensor([0.0, 2.0]), torch.tensor([10.0, 30.0])]  # over their means: 0 2 0.5 1.5
    found = ranked_as(torch.tensor([5.0, 7.0, 1.0, 6.0, 2.0]), scores)
    assert found.argsort().tolist() == [2, 4, 0, 3, 1]
    # the median of the sizes gets that of 0, 0.5, 1.5, 2, times the mean of 1 and 20
    assert float(found[0]) == pytest.approx(10.5)


def test_layers_that_share_a_weight_have_one_score():
    model = nn.Sequential(
        nn.Conv2d(3, 99, 1),
        nn.Conv2d(99, 99, 1),
        nn.Conv2d(99, 99, 1),
        nn.Flatten(),
        nn.Linear(396, 2),
    )
    model[2].weight = model[1].weight
    x = torch.randn(2, 3, 2, 2)
    recipe = build_recipe(dict(recipe='adasap', budget='channels', target=0.2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    pruning = GradualPruning(model, trace(model, x), recipe, 1, optimizer)
    pruning.watch()
    rule = build_rule(recipe.rule)
    rule.set_scores(pruning.neuron_scores(), pruning.living_neurons())
    two_pass_step(model, optimizer, rule, lambda: model(x).square().mean())
    assert '1.weight' in pruning.neuron_scores() and '2.weight' not in pruning.neuron_scores()


# --- rounds ---------------------------------------------------------------------------------------

FIRST = {'0': [False, True, True, True], '1': [False, True]}


def test_a_packed_projection_has_scores_and_dead_neurons_under_its_own_name():
    class Attended(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, tokens):
            return self.head(self.attn(tokens, tokens, tokens)[0])

    pruning = begun(Attended(), example=torch.randn(1, 3, 4))
    assert pruning.neuron_scores()['attn.in_proj_weight'].shape == (12,)
    pruning.masks.remove({'attn': torch.tensor([False, True])})
    living = pruning.living_neurons()['attn.in_proj_weight']
    assert living.tolist() == [False, True] * 6  # dimension 1 of both heads, three times


def test_rounds_take_the_least_of_what_is_left():
    """Over their means the scores are 0.4 0.8 1.2 1.6 and 0.5 1.5; 6 sqrt(1/2) = 4.2 units stay."""
    pruning = begun(chain())
    first = pruning.targets(1)
    assert listed(first) == FIRST
    assert listed(pruning.masks.alive)['0'] == [True] * 4  # nothing is done yet
    pruning.mask(first)
    assert listed(pruning.targets(2)) == {'0': [False, False, True, True], '1': [False, True]}
    with torch.no_grad():
        pruning.model[0].weight[1] *= 10  # the second round is of what the weights are by then
    assert listed(pruning.targets(2)) == {'0': [False, True, False, True], '1': [False, True]}


def test_progress_in_numbers():
    """Weights 4 2 + 2 4 + 2 = 18, then 3 2 + 1 3 + 1 = 10, then 2 2 + 1 2 + 1 = 7."""
    pruning = begun(chain())
    assert pruning.progress() == dict(channels=0, params=0, macs=0)
    for number, units, weights in ((1, 4, 10), (2, 3, 7)):
        pruning.mask(pruning.targets(number))
        expected = dict(channels=1 - units / 6, params=1 - weights / 18, macs=1 - weights / 18)
        assert pruning.progress() == pytest.approx(expected)
    structure = pruning.structure()
    assert structure.method == 'Magnitude'
    assert structure.achieved == pytest.approx(dict(channels=1 / 2, params=11 / 18, macs=11 / 18))
    kept = {name: (one.get('out'), one.get('in')) for name, one in structure.layers.items()}
    assert kept == {'0': ([2, 3], None), '1': ([1], [2, 3]), '2': (None, [1])}


def test_masks_go_into_weights_momentum_and_gradients():
    pruning = begun(chain(), dict(type='Taylor'), momentum=0.9)
    step(pruning)
    pruning.mask({name: torch.tensor(alive) for name, alive in FIRST.items()})
    assert not pruning.ready  # what was seen is of other units
    middle = pruning.model[1].weight
    assert middle.tolist() == [[0, 0, 0, 0], [0, 2, 1, 1]]
    assert pruning.model[2].weight.tolist() == [[0, -5]]
    # of b1 alone: its gradient -5 times a = (1 2 2 -4), without a0
    expected = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -10.0, -10.0, 20.0]])
    assert torch.equal(pruning.optimizer.state[middle]['momentum_buffer'], expected)
    assert listed(pruning.living_neurons()) == {'0.weight': FIRST['0'], '1.weight': FIRST['1']}
    pruning.optimizer.zero_grad()
    step(pruning)
    assert torch.equal(middle.grad, expected)
    assert pruning.certify() < 1e-6  # zeros are as good as nothing
    assert pruning.measured(None, pruning.model) == {}


def test_every_hook_is_taken_off():
    pruning = begun(chain(), dict(type='Taylor'))
    pruning.mask({name: torch.tensor(alive) for name, alive in FIRST.items()})
    pruning.detach()
    with torch.no_grad():  # what reads the dead unit of '1' comes back
        pruning.model[2].weight[0, 0] = 1.0
    step(pruning)
    assert not pruning.ready
    assert pruning.model[1].weight.grad[0].tolist() == [0, 2, 2, -4]


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['Magnitude', 'Taylor'])
def test_masks_and_what_was_seen_go_through_a_checkpoint(kind):
    score = dict(type=kind)
    left = begun(chain(), score)
    left.mask({name: torch.tensor(alive) for name, alive in FIRST.items()})
    step(left)
    file = io.BytesIO()
    torch.save(left.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert (state['score'] is None) is (kind == 'Magnitude')
    right = begun(chain(), score)
    right.load_state_dict(state)
    assert listed(right.masks.alive) == FIRST
    assert right.model[1].weight.tolist() == [[0, 0, 0, 0], [0, 2, 1, 1]]
    assert listed(right.unit_scores()) == listed(left.unit_scores())
    if kind == 'Taylor':  # a = (0 2 2 -4) times (0 -10 -5 -5), and b1 = 2 times -5
        assert listed(right.unit_scores()) == {'0': [0, 400, 100, 400], '1': [0, 100]}
    assert listed(right.targets(2)) == listed(left.targets(2))


def test_a_checkpoint_of_another_score_or_network_is_refused():
    state = begun(chain(), dict(type='Taylor')).state_dict()
    with pytest.raises(ValueError, match='scores are of Taylor and TaylorBN is asked for'):
        begun(chain(), dict(type='TaylorBN')).load_state_dict(state)
    image = torch.randn(2, 3, 5, 5)
    with pytest.raises(ValueError, match="masks are of another model .group '0'"):
        begun(Residual(), example=image).load_state_dict(state)


# --- the start ------------------------------------------------------------------------------------


def test_a_target_out_of_reach_is_refused_at_once():
    """One unit of each group stays: four of six may go."""
    with pytest.raises(ValueError, match='the nearest feasible value is 0.6667'):
        begun(chain(), target=0.9)


def test_a_rehearsal_removes_every_second_unit_of_a_copy():
    pruning = begun(chain())
    half = pruning.rehearse()
    assert half.method == 'half' and half.achieved == dict(channels=0.5)
    kept = {name: (one.get('out'), one.get('in')) for name, one in half.layers.items()}
    assert kept == {'0': ([0, 2], None), '1': ([0], [0, 2]), '2': (None, [0])}
    for layer, dense in zip(pruning.model, chain(), strict=True):
        assert torch.equal(layer.weight, dense.weight)
    assert pruning.progress()['channels'] == 0


def test_a_group_without_what_its_score_is_of_is_refused_at_once():
    with pytest.raises(ValueError, match="group '0' has no batch normalisation whose scale could"):
        begun(chain(), 'BNScale').rehearse()


def test_a_trace_with_some_of_its_groups():
    found = trace(Residual(), torch.randn(2, 3, 5, 5))
    part = only(found, [group for group in found.groups if group.name == 'conv1'])
    assert [group.name for group in part.groups] == ['conv1']
    assert part.unprunable == {'head': 'it is an output of the model'}
    assert part.shapes == found.shapes and part.shapes['conv1'] == 2 * 5 * 5


def test_what_is_not_training_is_not_seen():
    pruning = begun(chain(), score=dict(type='Taylor'))
    with pruning.unwatched():
        step(pruning)
    assert not pruning.ready
    step(pruning)
    assert pruning.ready


# --- what groups are worth ------------------------------------------------------------------------


def test_groups_are_weighed_once_and_a_resumed_run_knows():
    pruning = begun(chain())
    assert pruning.selection.needs_loss
    weights = pruning.weigh(lambda model: -float(model(IMAGE).sum().abs()))
    assert set(weights) == {'0', '1'} and pruning.selection.needs_loss
    pruning.weighed({'0': 9.0, '1': 1.0})
    assert not pruning.selection.needs_loss
    state = json.loads(json.dumps(pruning.state_dict()['weights']))
    other = begun(chain())
    other.load_state_dict(dict(pruning.state_dict(), weights=state))
    assert other.selection.weights == {'0': 9.0, '1': 1.0}
    assert listed(other.targets(1)) == listed(pruning.targets(1))


def test_the_network_is_weighed_on_a_copy():
    model = chain()
    before = [parameter.clone() for parameter in model.parameters()]
    begun(model).weigh(lambda twin: float(twin(IMAGE).sum()))
    assert all(map(torch.equal, before, model.parameters()))
