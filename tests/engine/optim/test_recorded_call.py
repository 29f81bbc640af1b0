"""A call that is recorded and made again."""

import copy
import warnings

import pytest
import torch
from torch import nn

from mmrobustprune.engine.optim.recorded_call import (
    RecordedCall,
    check_loss,
    warn_if_stateful,
)
from tests.support.passes import Toy, batch, seed_all, toy


class Noisy(nn.Module):
    """Draws a number, and changes what is no tensor among its arguments."""

    def forward(self, inputs, boxes):
        boxes.append(len(boxes))
        return (inputs * torch.rand(())).sum() + boxes[-1]


def call_of(module, *args):
    return RecordedCall.of(module, args, {})


def test_a_call_is_repeated_with_its_own_arguments_and_random_numbers():
    inputs = torch.ones(3)
    boxes = []
    call = call_of(Noisy(), inputs, boxes)
    first = Noisy()(inputs, boxes)
    call.start.restore()
    assert torch.equal(call.replay(), first)
    assert call.args[0] is inputs and boxes == [0]  # tensors by reference, lists as they were


def test_tensors_changed_in_place_cannot_be_repeated():
    inputs = torch.ones(3)
    call = RecordedCall.of(Noisy(), (), dict(inputs=[dict(x=inputs)], boxes=[]))
    inputs.add_(1)
    with pytest.raises(ValueError, match='Noisy changed an input tensor in place'):
        call.replay()


def test_a_loss_made_elsewhere_is_noticed():
    model = toy()
    seed_all()
    output = model(**batch())
    call = RecordedCall.of(model, (), batch())
    call.output = output
    check_loss(copy.copy(call), output['loss'])
    with pytest.raises(ValueError, match='is not the one that Toy returned'):
        check_loss(call, 2 * output['loss'])
    assert call.output is None  # it would keep the graph


def test_the_loss_of_an_output_is_the_models_sum():
    model = toy()
    call = RecordedCall.of(model, (), {})
    parts = dict(loss_a=torch.tensor(1.0), loss_b=torch.tensor(2.0), accuracy=torch.tensor(9.0))
    assert call.loss(parts) == 3 and call.loss(torch.tensor(4.0)) == 4


def test_modules_of_plain_python_state_get_one_warning():
    class DropBlock(nn.Module):
        """Of mmpretrain's name."""

    with pytest.warns(UserWarning, match='DropBlock: its warm-up counter runs twice as fast'):
        warn_if_stateful(nn.Sequential(DropBlock(), DropBlock()))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warn_if_stateful(Toy())


def test_a_part_of_the_batch_is_taken_from_all_that_has_one_entry_for_each_sample():
    class Seen(nn.Module):
        def forward(self, inputs, data_samples, scale, mode):
            return inputs.shape, data_samples, scale.shape, mode

    kwargs = dict(data_samples=list('abcd'), scale=torch.ones(3), mode='loss')
    call = RecordedCall.of(Seen(), (torch.zeros(4, 3),), kwargs)
    assert call.replay(lambda samples: samples[1:3]) == ((2, 3), ['b', 'c'], (3,), 'loss')
    call = RecordedCall.of(Seen(), (), dict(inputs=['a'], data_samples=['b'], scale=1, mode=''))
    with pytest.raises(ValueError, match='Seen is called without a tensor of its images'):
        call.replay(lambda samples: samples[:1])
