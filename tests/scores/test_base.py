"""The protocol of scores: what is seen in training, gradients and activations alike."""

import torch
from torch import nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.scores import SCORES, Magnitude, Score, Watching, build_score

TWO = torch.arange(2)[:, None]


class MeanActivation(Score):
    """s_i = mean of |a_i| over the training batches, of the feature maps a group's layer makes."""

    def __init__(self):
        self.sums = {}
        self.batches = {}

    def watch(self, model, stepper, groups=()):
        def hook(name):
            def see(layer, args, output):
                if layer.training:
                    seen = output.detach().abs().mean((0, 2, 3))
                    self.sums[name] = self.sums.get(name, 0) + seen
                    self.batches[name] = self.batches.get(name, 0) + 1

            return see

        names = [group.name for group in groups]
        layers = [find_layer(model, name) for name in names]
        hooks = zip(layers, map(hook, names), strict=True)
        return Watching(*(layer.register_forward_hook(see) for layer, see in hooks))

    @property
    def ready(self):
        return bool(self.batches)

    def reset(self):
        self.sums.clear()
        self.batches.clear()

    def state_dict(self):
        return dict(sums=dict(self.sums), batches=dict(self.batches))

    def load_state_dict(self, state):
        self.sums, self.batches = dict(state['sums']), dict(state['batches'])

    def __call__(self, model, groups):
        return {g.name: self.sums[g.name] / self.batches[g.name] for g in groups}


def net():
    """conv(1 -> 2) with weights 1 and -3, then conv(2 -> 1), and its one group."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -3.0]).view(2, 1, 1, 1))
    return model, (Group('0', 2, (Slice('0', 'out', TWO), Slice('2', 'in', TWO))),)


def test_a_score_of_activations_sees_every_training_batch():
    model, groups = net()
    score = MeanActivation()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    watching = score.watch(model, optimizer, groups)
    assert not score.ready
    model(torch.ones(2, 1, 3, 3))
    model(torch.full((2, 1, 3, 3), 3.0))
    model.eval()
    model(torch.full((2, 1, 3, 3), 100.0))  # an evaluation
    assert score.ready and score(model, groups)['0'].tolist() == [2.0, 6.0]
    again = MeanActivation()
    again.load_state_dict(score.state_dict())
    assert again(model, groups)['0'].tolist() == [2.0, 6.0]
    watching.remove()
    model.train()
    model(torch.ones(2, 1, 3, 3))
    assert score(model, groups)['0'].tolist() == [2.0, 6.0]
    score.reset()
    assert not score.ready


def test_a_score_of_activations_is_built_from_a_config():
    score = build_score(dict(type=MeanActivation))
    assert isinstance(score, MeanActivation)


def test_scores_of_weights_have_nothing_to_watch():
    model, groups = net()
    score = Magnitude()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    watching = score.watch(model, optimizer, groups)
    assert score.ready and score.state_dict() == {}
    score.load_state_dict({})
    score.reset()
    watching.remove()
    assert score.ready and not optimizer._optimizer_step_pre_hooks
    assert not model[0]._forward_hooks


def test_every_score_answers_the_whole_protocol():
    model, groups = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    for kind in SCORES.values():
        score = kind()
        watching = score.watch(model, optimizer, groups)
        assert score.ready is not (kind.needs_gradient or score.images > 0)
        score.reset()
        kind().load_state_dict(score.state_dict())
        watching.remove()
    assert not optimizer._optimizer_step_pre_hooks
