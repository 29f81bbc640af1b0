"""A host of one's own: what the protocol asks for."""

from dataclasses import dataclass

import pytest
import torch

from mmrobustprune.mask_search import (
    HOSTS,
    HYDRA,
    Host,
    Scored,
    ScoredNetwork,
    build_host,
    top_mask,
)
from tests.mask_search.nets import search, small


class Decaying(ScoredNetwork):
    """Pulls scores to zero, more from epoch to epoch."""

    strength = 0.0

    def penalty(self):
        return self.strength * sum(s.abs().mean() for s in self.score_parameters())

    def begin_epoch(self, epoch):
        self.strength = 0.01 * epoch

    def state_dict(self):
        return dict(strength=self.strength)

    def load_state_dict(self, state):
        self.strength = state['strength']


@dataclass
class Global(Host):
    """Scores |w| ** power, and layers keep what the largest of all weights leave them."""

    power: float = 1.0

    def scores(self, name, layer):
        return layer.weight.abs() ** self.power

    def equip(self, model, layers):
        first = {name: self.scores(name, layer) for name, layer in layers.items()}
        every = torch.cat([scores.flatten() for scores in first.values()])
        kept = top_mask(every, every.numel() - int(self.target * every.numel())).split(
            [s.numel() for s in first.values()]
        )
        return {
            name: Scored(first[name], max(1, int(part.sum())))
            for name, part in zip(first, kept, strict=True)
        }

    def network(self, model, parts, before):
        return Decaying(model, parts, self.target, before)


def test_a_host_of_ones_own():
    model = small()
    network = build_host(dict(type=Global, target=0.8, power=2)).attach(model)
    assert (
        network.ratio() == pytest.approx(0.8, abs=1e-3) and len(set(network.rates().values())) > 3
    )
    network.begin_epoch(1)
    assert network.penalty().requires_grad
    search(model, network)
    twin = Decaying(model, network.layers, 0.8, [])
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin.penalty(), network.penalty())
    network.bake()


def test_hosts_from_dicts():
    host = HYDRA(0.5)
    assert build_host(host) is host and set(HOSTS) == {'HYDRA', 'HARP', 'RLTH'}
    config = dict(type='HYDRA', target=0.9, ignore=['head'], _scope_='mmpretrain')
    assert build_host(config) == HYDRA(0.9, ignore=['head']) and config['type'] == 'HYDRA'


@pytest.mark.parametrize(
    'config, error, words',
    [
        (dict(type='hydra', target=0.9), ValueError, "unknown host 'hydra'"),
        (dict(type='HYDRA', taget=0.9), ValueError, "did you mean 'target'"),
        (dict(type='HYDRA'), ValueError, 'HYDRA lacks target'),
        (0.9, TypeError, '0.9 is no host'),
    ],
)
def test_mistakes_are_named(config, error, words):
    with pytest.raises(error, match=words):
        build_host(config)
