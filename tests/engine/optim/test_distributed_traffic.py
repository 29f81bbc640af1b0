"""What a training step hands to the all-reduce: the gradients of the last pass, once per update."""

import pytest
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from tests.support.passes import batch, toy, wrapped


@pytest.fixture
def group():
    """A group of one process, which reduces as a larger one does."""
    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def reduced(steps, **kwargs):
    """Gradients (of the network's number, in whole) reduced in each training step."""
    model = MMDistributedDataParallel(toy(), broadcast_buffers=False)
    counts, weights = [], sum(p.nbytes for p in model.parameters())

    def count(state, bucket):
        counts[-1] += bucket.buffer().nbytes / weights
        return allreduce_hook(None, bucket)

    model.register_comm_hook(None, count)
    wrapper = wrapped(model, **kwargs)
    wrapper.initialize_count_status(model, 0, steps)
    for number in range(steps):
        counts.append(0.0)
        model.train_step(batch(number), wrapper)
    return counts


@pytest.mark.parametrize(
    'rule', [None, dict(type='SAM'), dict(type='ASAM'), dict(type='AdaSAP'), dict(type='AWP')]
)
def test_two_passes_send_what_one_sends(group, rule):
    assert reduced(3, rule=rule) == [1, 1, 1]


def test_steps_without_a_perturbation_send_the_same(group):
    assert reduced(4, rule=dict(type='SAM'), interval=2) == [1, 1, 1, 1]


@pytest.mark.parametrize('rule', [None, dict(type='AdaSAP')])
def test_accumulation_sends_once_per_update(group, rule):
    assert reduced(5, rule=rule, accumulative_counts=3) == [0, 0, 1, 0, 1]
