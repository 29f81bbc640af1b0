"""What one forward pass leaves behind."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.recording import ForwardPass, default_forward, tensors_in
from tests.support.networks import Residual

IMAGE = torch.randn(2, 3, 6, 6)


def test_examples_are_given_as_they_come():
    def model(*args, **kwargs):
        return args, kwargs

    assert default_forward(model, dict(a=1)) == ((), dict(a=1))
    assert default_forward(model, (1, 2)) == ((1, 2), {})
    assert default_forward(model, 3) == ((3,), {})


def test_floating_tensors_in_order():
    a, b = torch.zeros(1), torch.ones(2)
    found = tensors_in(dict(x=[b, (a,)], y=torch.tensor(3), z='text'))
    assert [t.shape for t in found] == [b.shape, a.shape]


def test_layers_positions_and_outputs():
    model = Residual()
    record = ForwardPass()
    record.run(model, IMAGE, default_forward)
    assert record.shapes == dict(stem=72, conv1=72, conv2=72, head=2)
    assert {model.stem, model.bn1, model.head} <= record.ran
    assert [tuple(shape) for shape in record.inputs.values()] == [(2, 3, 6, 6)]
    assert len(record.outputs) == 1
    assert list(record.made.values()).count(model.conv1) == 1
    assert not model.stem._forward_hooks and not model.stem._forward_pre_hooks


def test_a_layer_that_runs_twice_has_the_positions_of_both():
    layer = nn.Linear(3, 3)
    record = ForwardPass()
    record.run(nn.Sequential(layer, layer), torch.zeros(5, 3), default_forward)
    assert record.shapes == {'0': 10}


def test_layers_without_gradients_are_blind():
    class Blind(nn.Sequential):
        def forward(self, x):
            x = self[0](x)
            with torch.no_grad():
                self[1](x)
            return x

    record = ForwardPass()
    record.run(Blind(nn.Linear(3, 3), nn.Linear(3, 2)), torch.zeros(5, 3), default_forward)
    assert list(record.blind.values()) == ['1']


def test_nodes_of_custom_functions_outlive_their_outputs():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    class Net(nn.Linear):
        def forward(self, x):
            return Twice.apply(super().forward(x))

    record = ForwardPass()
    record.run(Net(3, 3), torch.zeros(5, 3), default_forward)
    (node,) = record.outputs
    assert 'Twice' in node.name() and len(node.next_functions) == 1


def test_the_module_that_ran_an_operation():
    record = ForwardPass()
    record.run(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.zeros(5, 3), default_forward)
    ran = [call.module for call in record.calls.values()]
    assert ran == ['', '0', '1']  # the example itself comes from no module


def test_what_fails_is_named_and_hooks_are_taken_off():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="cannot be traced: RuntimeError in '1'"):
        ForwardPass().run(model, torch.zeros(5, 3), default_forward)
    assert not model[0]._forward_hooks
