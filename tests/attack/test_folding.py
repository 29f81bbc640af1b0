"""BatchNorm under attack: the same outputs and gradients in fewer steps."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torchvision.models import mobilenet_v2, resnet18

from mmrobustprune.attack import attacking
from mmrobustprune.attack.folding import folded_norms


def settled(model, shape, seed=0):
    """The model in double precision with norms that do something, and a batch for it."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, -1, 1)  # a negative scale, too
                nn.init.normal_(module.bias)
    return model.double().eval(), torch.randn(shape, dtype=torch.float64)


def answer(model, x):
    x = x.clone().requires_grad_()
    out = model(x)
    return out.detach(), torch.autograd.grad(out.square().sum(), x)[0], type(out.grad_fn).__name__


def norms_left(model, x):
    """How many norms still compute something."""
    seen = []
    hooks = [
        module.register_forward_hook(lambda m, args, out: seen.append(out is not args[0]))
        for module in model.modules()
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    return sum(seen)


def same(model, x, left):
    """Inside: the same numbers with `left` norms. Afterwards: the model as it was, to the bit."""
    plain, slope, _ = answer(model, x)
    with attacking(model, x):
        out, gradient, _ = answer(model, x)
        assert norms_left(model, x) == left
    torch.testing.assert_close(out, plain, rtol=1e-9, atol=1e-9 * plain.abs().max().item())
    torch.testing.assert_close(gradient, slope, rtol=1e-9, atol=1e-9 * slope.abs().max().item())
    assert torch.equal(answer(model, x)[0], plain) and not any(
        'forward' in vars(module) for module in model.modules()
    )


@pytest.mark.parametrize('make', [resnet18, mobilenet_v2], ids=lambda make: make.__name__)
def test_every_norm_of_a_real_network_vanishes(make):
    same(*settled(make(num_classes=4), (2, 3, 40, 40)), left=0)


@pytest.mark.parametrize(
    'conv, norm, shape',
    [
        (nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), (3, 4, 9)),
        (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), (3, 4, 9, 8)),
        (
            nn.Conv2d(4, 6, 3, padding=2, padding_mode='reflect', bias=False),
            nn.BatchNorm2d(6),
            (3, 4, 9, 8),
        ),
        (nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), (3, 4, 9, 8)),
        (nn.Conv3d(4, 6, 3), nn.BatchNorm3d(6), (2, 4, 5, 6, 7)),
    ],
    ids=['1d', 'grouped', 'reflected', 'no affine', '3d'],
)
def test_convolutions_of_all_kinds_take_the_norm_in(conv, norm, shape):
    same(*settled(nn.Sequential(conv, norm, nn.ReLU(inplace=True)), shape), left=0)


class Shared(nn.Module):
    """Something between convolution and norm, or beside the norm, that needs the convolution's own
    output.
    """

    def __init__(self, how):
        super().__init__()
        self.conv, self.norm, self.other, self.how = (
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.BatchNorm2d(6),
            how,
        )

    def forward(self, x):
        z = self.conv(x)
        return self.how(self, z, x)


@pytest.mark.parametrize(
    'how, left',
    [
        (lambda self, z, x: self.norm(z) + z, 1),
        (lambda self, z, x: self.norm(z) + self.other(z), 2),
        (lambda self, z, x: self.norm(torch.relu(z)), 1),
        (lambda self, z, x: self.norm(torch.relu_(z)), 1),
        (lambda self, z, x: self.norm(z * 2), 1),
        (lambda self, z, x: self.norm(z) + self.conv(x), 1),
        (lambda self, z, x: self.norm(self.norm(z)), 2),
        (lambda self, z, x: self.other(self.norm(z)), 1),
    ],
    ids=[
        'skip',
        'two norms',
        'relu',
        'relu in place',
        'scaled',
        'convolution twice',
        'norm twice',
        'norm after norm',
    ],
)
def test_a_norm_stays_where_it_is_not_alone_behind_the_convolution(how, left):
    same(*settled(Shared(how), (2, 3, 7, 7)), left=left)


def test_a_convolution_that_computes_otherwise_is_left_alone():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)

    same(*settled(nn.Sequential(Standardised(3, 6, 3), nn.BatchNorm2d(6)), (2, 3, 7, 7)), left=1)


def test_a_parametrized_weight_is_folded_as_it_computes():
    class Halved(nn.Module):
        def forward(self, weight):
            return weight * torch.arange(weight[0].numel()).reshape(weight[0].shape).remainder(2)

    model, x = settled(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), (2, 3, 7, 7))
    parametrize.register_parametrization(model[0], 'weight', Halved())
    same(model, x, left=0)


@pytest.mark.parametrize(
    'make, shape',
    [
        (nn.BatchNorm1d, (6, 5)),
        (nn.BatchNorm1d, (6, 5, 4)),
        (nn.BatchNorm2d, (6, 5, 4, 3)),
        (nn.BatchNorm3d, (6, 5, 4, 3, 2)),
    ],
)
def test_a_norm_by_itself_is_its_affine_map(make, shape):
    model, x = settled(make(5), shape)
    same(model, x, left=1)
    with attacking(model):
        assert answer(model, x)[2] == 'AddcmulBackward0'
        assert model.float()(x.bfloat16()).dtype == torch.bfloat16  # as under autocast


def test_the_model_is_whole_again_after_an_error():
    model, x = settled(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), (2, 3, 7, 7))
    plain = model(x)
    with pytest.raises(RuntimeError), folded_norms(model, x):
        model(x[:, :2])
    assert torch.equal(model(x), plain)
    with pytest.raises(RuntimeError), folded_norms(model, x[:, :2]):
        pass
    assert torch.equal(model(x), plain) and not any(
        module._forward_hooks or module._forward_pre_hooks for module in model
    )


@pytest.mark.parametrize('broken', [1, 2], ids=['first norm', 'second norm'])
def test_the_model_is_whole_again_after_an_error_in_the_folding(monkeypatch, broken):
    """Whatever was replaced before the error is put back, users' own forwards among them."""
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4)]
    model, x = settled(nn.Sequential(*layers, nn.BatchNorm2d(4)), (2, 3, 7, 7))
    own = model[4].forward
    model[4].forward = own  # set on the instance, as a user's patch is
    plain = model(x)
    calls = []

    def fail(norm):
        calls.append(norm)
        if len(calls) == broken:
            raise MemoryError('in the folding')
        return torch.ones(6).double(), torch.zeros(6).double()

    monkeypatch.setattr('mmrobustprune.attack.folding._affine_map', fail)
    with pytest.raises(MemoryError), folded_norms(model, x):
        raise AssertionError('nothing was folded')
    assert torch.equal(model(x), plain)
    assert [name for name in range(5) if 'forward' in vars(model[name])] == [4]
    assert model[4].forward is own


def test_the_model_is_whole_again_after_an_attack_that_failed():
    model, x = settled(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), (2, 3, 7, 7))
    plain = model(x)
    with pytest.raises(KeyboardInterrupt), attacking(model, x):
        assert norms_left(model, x) == 0
        raise KeyboardInterrupt
    assert torch.equal(model(x), plain)
    assert not any('forward' in vars(module) for module in model.modules())


def test_outputs_that_do_not_depend_on_the_images_fold_nothing():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.norm(x).detach()

    model, x = settled(Constant(), (2, 3, 4, 4))
    with torch.no_grad(), folded_norms(model, x):
        torch.testing.assert_close(model(x), Constant.forward(model, x))
