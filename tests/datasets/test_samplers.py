"""Batches that come several times in a row; free training that resumes to the bit."""

import pytest
import torch
from mmengine.registry import RUNNERS
from torch.utils.data import SequentialSampler

from mmrobustprune.datasets.samplers import ReplayedBatchSampler
from tests.support.adversarial import adversarial


def test_each_batch_comes_as_often_as_was_asked():
    batches = ReplayedBatchSampler(SequentialSampler(range(5)), batch_size=2, times=3)
    assert list(batches) == [[0, 1]] * 3 + [[2, 3]] * 3 + [[4]] * 3 and len(batches) == 9
    short = ReplayedBatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=True, times=2)
    assert list(short) == [[0, 1]] * 2 + [[2, 3]] * 2 and len(short) == 4


@pytest.mark.parametrize('times', [0, 2.5])
def test_no_whole_number_of_repeats_is_refused(times):
    with pytest.raises(ValueError, match=f'got times={times}; give a whole number of at least 1'):
        ReplayedBatchSampler(SequentialSampler(range(5)), batch_size=2, times=times)


def free(folder, **changes):
    """Free adversarial training: 12 iterations an epoch, every batch twice."""
    config = adversarial(
        folder,
        dict(type='FreeAT'),
        dict(images=4),
        **changes,
        default_hooks=dict(checkpoint=dict(interval=1, by_epoch=False)),
    )
    config.train_dataloader.batch_sampler = dict(type='mmrobustprune.ReplayedBatchSampler', times=2)
    return RUNNERS.build(config)


def test_free_training_resumed_between_two_repeats_ends_with_the_same_bits(tmp_path):
    whole, seen = free(tmp_path / 'whole'), []

    def note(module, args, kwargs):
        if kwargs['mode'] == 'loss':
            seen.append((kwargs['inputs'], kwargs['adversarial']))

    whole.model.register_forward_pre_hook(note, with_kwargs=True)
    whole.train()
    assert len(seen) == 12
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(first[0], second[0]) and not torch.equal(
            first[1], second[1]
        )  # same images, other noise
    again = free(tmp_path / 'again', load_from=str(tmp_path / 'whole' / 'iter_5.pth'), resume=True)
    again.train()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    noise = [runner.model.resume_state()['noise'] for runner in (whole, again)]
    assert torch.equal(*noise) and noise[0].abs().max() > 0
