"""Two processes through all phases: equal replicas, the equivalent on one process, kills."""

import json
import signal

import pytest
import torch

from tests.support.pair import PATIENCE, ends, equal, gradual, train_alone, train_pair
from tests.support.tiny import classifier, quick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE)]
EQUAL = dict(custom_hooks=[dict(type='ReplicasEqual')])
BY_EPOCH = dict(param_scheduler=dict(type='CosineAnnealingLR', by_epoch=True, T_max=3))


def tiny(folder, **changes):
    """Three epochs: 6 iterations each on two processes with 4 pictures a batch."""
    return classifier(folder, epochs=3, **dict(dict(batch=4), **changes))


def in_rank_order(config):
    config = quick(config.to_dict())
    config.train_dataloader.sampler = dict(type='RankOrder', ranks=2, batch=4, shuffle=True)
    config.custom_imports = dict(imports=['tests.support.tiny', 'tests.support.pair'])
    return config


def often(interval):
    return dict(
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=False)
        )
    )


@pytest.fixture(scope='module')
def adasap(tmp_path_factory):
    """AdaSAP on two processes: warm-up to iteration 6, removal at 12, fine-tuning to 18."""
    folder = tmp_path_factory.mktemp('adasap')
    assert train_pair(gradual(tiny(folder, **EQUAL, **BY_EPOCH))) == [0, 0]
    return folder


def test_replicas_are_equal_at_every_step_and_at_the_end(adasap):
    left, right = ends(adasap)
    assert equal(left['parameters'], right['parameters'])
    dense = sum(p.numel() for p in left['parameters'].values()) / (
        1 - json.loads((adasap / 'rounds.json').read_text())[-1]['removed']['params']
    )
    assert abs(dense - round(dense)) < 0.01  # pruned, and by what the record says


def test_the_removal_leaves_one_wrapper(adasap):
    """The reducer of the dense network would average its gradients again."""
    assert [end['wrappers'] for end in ends(adasap)] == [1, 1]


def test_two_processes_are_one_that_accumulates_over_their_batches(adasap, tmp_path):
    """Every rank climbs by its own gradient and has its own batch statistics."""
    config = tiny(
        tmp_path,
        **BY_EPOCH,
        optim_wrapper=dict(
            accumulative_counts=2,
            optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
        ),
    )
    assert train_alone(gradual(in_rank_order(config), interval=4)) == 0
    one, two = ends(tmp_path)[0], ends(adasap)[0]
    assert equal(one['parameters'], two['parameters'])
    assert not equal(
        one['buffers'], two['buffers']
    )  # running statistics: of both batches, and of rank 0's


def test_one_killed_process_changes_nothing(adasap, tmp_path):
    config = gradual(tiny(tmp_path, **EQUAL, **BY_EPOCH, **often(2)))
    codes = train_pair(config, kill=(1, 15))
    assert codes[1] == -signal.SIGKILL and codes[0] != 0
    assert train_pair(config, resume=True) == [0, 0]
    for before, after in zip(ends(adasap), ends(tmp_path), strict=True):
        assert equal(before['parameters'], after['parameters']) and equal(
            before['buffers'], after['buffers']
        )


def test_the_main_process_killed_before_the_removal(adasap, tmp_path):
    config = gradual(tiny(tmp_path, **EQUAL, **BY_EPOCH, **often(2)))
    codes = train_pair(config, kill=(0, 11))
    assert codes[0] == -signal.SIGKILL and codes[1] != 0
    assert train_pair(config, resume=True) == [0, 0]
    for before, after in zip(ends(adasap), ends(tmp_path), strict=True):
        assert equal(before['parameters'], after['parameters']) and equal(
            before['buffers'], after['buffers']
        )


def test_scores_from_gradients_agree_too(tmp_path):
    """Taylor under SAM, accumulation and clipping."""
    wrapper = dict(
        accumulative_counts=2,
        clip_grad=dict(max_norm=1.0),
        optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
    )
    config = gradual(
        tiny(tmp_path, **EQUAL, optim_wrapper=wrapper), recipe='taylor', rule=dict(type='SAM')
    )
    assert train_pair(config) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])


def test_the_main_process_chooses_the_channels(tmp_path):
    """Even where the ranks would rank them differently, as GPUs of several kinds may."""
    config = gradual(
        tiny(tmp_path, custom_hooks=[dict(type='OwnScores'), dict(type='ReplicasEqual')]),
        recipe='magnitude',
    )
    assert train_pair(config) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])


def test_grouped_kernels_are_cut_alike_and_a_killed_pair_resumes(tmp_path):
    def recipe(folder):
        config = quick(tiny(folder, **EQUAL, **often(2)).to_dict())
        config.runner_type = 'mmrobustprune.PruneRunner'
        config.robust_prune = dict(
            recipe='sr_gkp',
            target=0.5,
            groups=4,
            search='greedy',
            measure=False,
            finetune_rule=dict(type='ASAM'),
        )
        return config

    assert train_pair(recipe(tmp_path / 'whole')) == [0, 0]
    left, right = ends(tmp_path / 'whole')
    assert equal(left['parameters'], right['parameters'])
    codes = train_pair(recipe(tmp_path / 'killed'), kill=(1, 9))
    assert codes[1] == -signal.SIGKILL and codes[0] != 0
    assert train_pair(recipe(tmp_path / 'killed'), resume=True) == [0, 0]
    for before, after in zip(ends(tmp_path / 'whole'), ends(tmp_path / 'killed'), strict=True):
        assert equal(before['parameters'], after['parameters']) and equal(
            before['buffers'], after['buffers']
        )


def test_a_search_finds_one_mask_and_a_killed_pair_resumes(tmp_path):
    """An epoch each dense, of search (HARP with S2AP), of fine-tuning; killed in the search."""

    def recipe(folder):
        config = quick(tiny(folder, **EQUAL, **often(2)).to_dict())
        config.runner_type = 'mmrobustprune.PruneRunner'
        config.robust_prune = dict(
            recipe='s2ap_harp',
            target=0.5,
            host=dict(type='HARP', growth=1.0),
            select='last',
            pretrain='1 epochs',
            search='1 epochs',
            warmup='2 iters',
            gamma=0.01,
        )
        return config

    assert train_pair(recipe(tmp_path / 'whole')) == [0, 0]
    left, right = ends(tmp_path / 'whole')
    assert equal(left['parameters'], right['parameters'])
    removed = [float((p == 0).float().mean()) for p in left['parameters'].values() if p.ndim > 1]
    assert max(removed) > 0.3
    codes = train_pair(recipe(tmp_path / 'killed'), kill=(1, 9))
    assert codes[1] == -signal.SIGKILL and codes[0] != 0
    assert train_pair(recipe(tmp_path / 'killed'), resume=True) == [0, 0]
    for before, after in zip(ends(tmp_path / 'whole'), ends(tmp_path / 'killed'), strict=True):
        assert equal(before['parameters'], after['parameters']) and equal(
            before['buffers'], after['buffers']
        )


def without_batch_statistics(folder, **changes):
    """Running statistics normalise, so that a picture's gradient does not depend on its batch."""
    config = tiny(folder, **BY_EPOCH, **changes)
    config.model.backbone.norm_eval = True
    config.optim_wrapper.optimizer.lr = 0.01
    return config


def largest_difference(one, two):
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def test_plain_training_is_one_process_with_the_whole_batch(tmp_path):
    """Without batch statistics, as the batch is the union of the parts in another order."""
    assert train_pair(gradual(without_batch_statistics(tmp_path / 'two'), recipe='magnitude')) == [
        0,
        0,
    ]
    assert (
        train_alone(
            gradual(without_batch_statistics(tmp_path / 'one', batch=8), recipe='magnitude')
        )
        == 0
    )
    one, two = ends(tmp_path / 'one')[0]['parameters'], ends(tmp_path / 'two')[0]['parameters']
    assert {name: p.shape for name, p in one.items()} == {name: p.shape for name, p in two.items()}
    assert largest_difference(one, two) < 1e-4

    assert (
        train_alone(
            gradual(
                without_batch_statistics(tmp_path / 'sam', batch=8),
                recipe='magnitude',
                rule=dict(type='SAM', rho=0.5),
            )
        )
        == 0
    )
    assert train_pair(
        gradual(
            without_batch_statistics(tmp_path / 'sams'),
            recipe='magnitude',
            rule=dict(type='SAM', rho=0.5),
        )
    ) == [0, 0]
    one, two = ends(tmp_path / 'sam')[0]['parameters'], ends(tmp_path / 'sams')[0]['parameters']
    same = {name: p.shape for name, p in one.items()} == {name: p.shape for name, p in two.items()}
    assert (
        not same or largest_difference(one, two) > 1e-3
    )  # two passes: the size of a process's batch matters
    assert torch.isfinite(torch.cat([p.flatten() for p in one.values()])).all()
