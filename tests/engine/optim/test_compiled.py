"""A compiled forward in training passes: the same steps, and nothing of it outside of them."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from torch import nn

from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper
from tests.support.passes import Toy, assert_same_state, batch, steps, toy, wrapped
from tests.support.tiny import classifier, pruned

EAGER = dict(backend='eager')


class Quiet(Toy):
    """Notes nothing, as compiled code would do so once."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=nn.functional.cross_entropy(self.body(inputs), data_samples))


class Counted:
    """A backend that counts the graphs it is given."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        return graph.forward


@pytest.fixture(autouse=True)
def forgotten():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize('kind', [SAMOptimWrapper, AmpSAMOptimWrapper])
@pytest.mark.parametrize('ascent', ['fresh', 'sampled'])
def test_two_passes_are_the_same_compiled(kind, ascent):
    plain = toy(Quiet)
    model = copy.deepcopy(plain)
    backend = Counted()
    steps(plain, wrapped(plain, kind, ascent=ascent), 3)
    steps(model, wrapped(model, kind, ascent=ascent, compile=dict(backend=backend)), 3)
    assert_same_state(plain, model)
    assert backend.graphs > 0
    assert 'forward' not in vars(model)


def test_plain_steps_are_compiled_and_what_is_called_outside_is_not():
    model = toy(Quiet)
    backend = Counted()
    wrapper = wrapped(model, rule=None, compile=dict(backend=backend))
    steps(model, wrapper, 2)
    once = backend.graphs
    twin = copy.deepcopy(model)
    for network in (model, twin):
        network.eval()(**batch())
        network.train()
    assert once == backend.graphs > 0


def test_a_hook_that_is_set_on_a_layer_runs_from_then_on():
    """Compiled code does not look for new hooks by itself: a mask of a norm is one."""
    model = toy(Quiet, dropout=0.0)
    wrapper = wrapped(model, rule=None, compile=EAGER)
    steps(model, wrapper, 2)
    seen = []
    model.body[0].register_forward_hook(lambda layer, args, output: seen.append(0) or output * 0)
    before = model.body[0].weight.detach().clone()
    wrapper.optimizer = torch.optim.SGD(model.parameters(), 0.1)
    steps(model, wrapper, 1)
    assert seen and torch.equal(before, model.body[0].weight)


def test_other_settings_are_refused():
    with pytest.raises(ValueError, match="compile='inductor' is no setting of torch.compile"):
        wrapped(toy(), compile='inductor')


@pytest.mark.slow
def test_a_config_that_compiles_prunes_to_the_same_weights(tmp_path):
    """From the first step over masks and the removal to the end, with mmengine's own key."""
    found = []
    for name in ('plain', 'compiled'):
        config = classifier(tmp_path / name, epochs=2)
        config = pruned(config, warmup=0.2, rounds=2, interval=None, prune=0.4)
        if name == 'compiled':
            config.compile = EAGER
        runner = RUNNERS.build(config)
        runner.train()
        assert (runner.optim_wrapper._compiled is not None) == (name == 'compiled')
        found.append(runner.model)
    assert_same_state(*found)
    stock = Config.fromfile(tmp_path / 'compiled' / 'pruned.py')
    assert stock.compile == EAGER and 'compile' not in stock.optim_wrapper
