"""What a pruning asks of samples of the training data."""

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.registry import RUNNERS

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.gradual.state import GradualPruning
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.scores import SCORES, FeatureMaps
from tests.support.networks import Residual
from tests.support.small import small


class Counting(FeatureMaps):
    """How many images each look saw, and what the weights were."""

    looks = []

    def values(self, maps):
        return maps.mean((1, 2))

    def look(self, model, groups, losses):
        losses = list(losses)
        self.looks.append((len(losses), model.training, model.stem.weight.detach().clone()))
        super().look(model, groups, losses)


@pytest.mark.parametrize('recipe, looks', [('magnitude', 2), ('greg1', 1)])
def test_a_score_is_shown_its_images_before_every_choice(tmp_path, monkeypatch, recipe, looks):
    """Two rounds, or one choice before the penalty; 6 images are two batches of 4."""
    monkeypatch.setitem(SCORES, 'Counting', Counting)
    monkeypatch.setattr(Counting, 'looks', [])
    fields = dict(rounds=2, interval=2, warmup=0, budget='channels', scope='layer', weigh='none')
    if recipe == 'greg1':
        fields = dict(coupled=True, delta=0.1, budget='channels')
    config = small(
        tmp_path,
        epochs=2,
        save=12,
        recipe=recipe,
        target=0.5,
        score=dict(type='Counting', images=6),
        **fields,
    )
    runner = RUNNERS.build(config)
    runner.train()
    assert [(count, training) for count, training, _ in Counting.looks] == [(2, False)] * looks
    if looks == 2:
        assert not torch.equal(Counting.looks[0][2], Counting.looks[1][2])
    assert runner.model.last.out_channels == 5


class TooLarge(Counting):
    """Images of which a batch does not fit."""

    error = torch.OutOfMemoryError('CUDA out of memory.')

    def look(self, model, groups, losses):
        raise self.error


@pytest.mark.parametrize(
    'error', [TooLarge.error, RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")]
)
def test_images_that_do_not_fit_into_memory_are_said_with_what_to_do(tmp_path, monkeypatch, error):
    monkeypatch.setitem(SCORES, 'TooLarge', TooLarge)
    monkeypatch.setattr(TooLarge, 'error', error)
    fields = dict(rounds=1, interval=2, warmup=0, budget='channels', weigh='none')
    config = small(tmp_path, recipe='magnitude', target=0.5, score=dict(type='TooLarge'), **fields)
    with pytest.raises(ValueError, match='TooLarge of 4 training images at a time .*batch_size'):
        RUNNERS.build(config).train()
    assert (tmp_path / 'iter_2.pth').is_file()  # from where it goes on


def test_rates_are_searched_once_and_a_resumed_run_knows():
    def pruning():
        model = Residual()
        found = trace(model, torch.randn(2, 3, 5, 5))
        recipe = build_recipe(dict(recipe='eagleeye', budget='channels', target=0.4, rounds=2))
        return GradualPruning(model, found, recipe, 2, torch.optim.SGD(model.parameters(), 0.1))

    one = pruning()
    assert one.selection.needs_search
    one.rated(one.search(lambda alive: float(alive['conv1'].sum()))['rates'])
    other = pruning()
    other.load_state_dict(one.state_dict())
    assert not other.selection.needs_search
    assert other.selection.rates == one.selection.rates != {}
    with pytest.raises(ValueError, match="rates are those of another network: group 'conv9' is in"):
        other.load_state_dict(dict(one.state_dict(), rates={'conv9': 0.5}))
