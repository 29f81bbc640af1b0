"""Searching masks by learned scores inside a training: phases, neutrality, resuming."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS, init_default_scope
from mmpretrain.apis import get_model

from tests.support.process import run_apart, train
from tests.support.searching import ATTACK, saved, searched


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('finished')
    runner = RUNNERS.build(searched(folder))
    runner.train()
    return folder, runner


def originals(checkpoint):
    return {
        name: value
        for name, value in checkpoint['robust_prune']['raw'].items()
        if name.endswith('weight.original')
    }


def test_the_search_leaves_weights_alone_and_moves_scores(finished):
    folder, _ = finished
    dense, early, late = (saved(folder, f'epoch_{n}.pth') for n in (1, 2, 3))
    assert (
        dense['robust_prune']['stage'] == 'pretrain' and early['robust_prune']['stage'] == 'search'
    )
    assert len(originals(early)) == 21
    for name, weight in originals(early).items():
        plain = name.replace('parametrizations.weight.original', 'weight')
        assert torch.equal(weight, dense['state_dict'][plain]) and torch.equal(
            weight, originals(late)[name]
        )
    raw = [checkpoint['robust_prune']['raw'] for checkpoint in (early, late)]
    scores = [name for name in raw[0] if name.endswith('scores')]
    assert len(scores) == 21 and any(not torch.equal(raw[0][name], raw[1][name]) for name in scores)


def test_every_checkpoint_holds_plain_weights_with_the_mask_applied(finished):
    folder, _ = finished
    keys = set(saved(folder, 'epoch_1.pth')['state_dict'])
    for epoch in (2, 3, 4):
        state = saved(folder, f'epoch_{epoch}.pth')['state_dict']
        assert set(state) == keys
        for name, weight in state.items():
            if weight.ndim > 1:
                assert int((weight != 0).sum()) == weight.numel() - int(0.8 * weight.numel()), name


def test_pruned_weights_stay_zero_and_kept_ones_move(finished):
    folder, _ = finished
    before, after = (saved(folder, f'epoch_{n}.pth')['state_dict'] for n in (3, 4))
    for name, weight in before.items():
        if weight.ndim > 1:
            assert torch.equal(weight == 0, after[name] == 0), name
    assert not torch.equal(before['backbone.conv1.weight'], after['backbone.conv1.weight'])


def test_stock_loaders_read_the_result(finished):
    folder, runner = finished
    init_default_scope('mmpretrain')
    config = Config.fromfile(folder / 'pruned.py')
    assert (
        config.model.type == 'mmpretrain.ImageClassifier'
        and 'robust_prune' not in config
        and 'runner_type' not in config
    )
    model = get_model(config, str(folder / 'pruned.pth'))
    state = saved(folder, 'epoch_4.pth')['state_dict']
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    record = json.loads((folder / 'sparsity.json').read_text())
    assert record['removed'] == pytest.approx(0.8, abs=1e-3) and len(record['kept']) == 21
    stages = json.loads((folder / 'stages.json').read_text())
    assert [one['stage'] for one in stages] == ['search', 'finetune'] and [
        one['iteration'] for one in stages
    ] == [6, 18]
    assert stages[1]['chosen_at'] == 18 and set(stages[1]['metric_last']) == set(
        stages[1]['metric_after']
    ) == {'accuracy/top1'}


def test_the_network_before_fine_tuning_is_kept(finished):
    folder, _ = finished
    init_default_scope('mmpretrain')
    state = get_model(
        Config.fromfile(folder / 'mask' / 'pruned.py'), str(folder / 'mask' / 'pruned.pth')
    ).state_dict()
    searched = saved(folder, 'epoch_3.pth')['state_dict']
    assert state.keys() == searched.keys() and all(
        torch.equal(state[name], searched[name]) for name in state
    )


def test_radius_zero_is_the_host_bit_for_bit(tmp_path):
    states = []
    for name, options in dict(
        zero=dict(gamma=0.0), host=dict(perturb='none', finetune_gamma=0.0)
    ).items():
        RUNNERS.build(searched(tmp_path / name, **options)).train()
        states.append(saved(tmp_path / name, 'pruned.pth')['state_dict'])
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert torch.equal(states[0][key], states[1][key]), key


def test_warm_up_epochs_are_the_host_and_later_ones_are_not(finished, tmp_path):
    RUNNERS.build(searched(tmp_path, perturb='none')).train()
    ours, host = finished[0], tmp_path
    same = [
        all(
            torch.equal(a, b)
            for a, b in zip(
                saved(ours, f'epoch_{n}.pth')['robust_prune']['raw'].values(),
                saved(host, f'epoch_{n}.pth')['robust_prune']['raw'].values(),
                strict=True,
            )
        )
        for n in (2, 3)
    ]
    assert same == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    'kill_at, interval',
    [(4, 2), (9, 2), (15, 4), (18, 6), (21, 5)],
    ids=['pretrain', 'warmup', 'search', 'between', 'finetune'],
)
def test_a_killed_run_ends_with_the_same_weights(finished, tmp_path, kill_at, interval):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=False))
    config = searched(tmp_path, hooks=hooks)
    assert run_apart(train, config, kill_at) == -9
    assert not (tmp_path / 'pruned.pth').exists()
    assert run_apart(train, config, None, True) == 0
    expected, found = (
        saved(finished[0], 'pruned.pth')['state_dict'],
        saved(tmp_path, 'pruned.pth')['state_dict'],
    )
    assert expected.keys() == found.keys()
    for key in expected:
        assert torch.equal(expected[key], found[key]), key
    assert json.loads((tmp_path / 'stages.json').read_text()) == json.loads(
        (finished[0] / 'stages.json').read_text()
    )


def test_harp_learns_rates_and_takes_a_mask_that_meets_the_target(tmp_path):
    config = searched(
        tmp_path,
        recipe='s2ap_harp',
        target=0.5,
        host=dict(type='HARP', growth=1.0),
        metric='accuracy/top1',
    )
    runner = RUNNERS.build(config)
    runner.train()
    record = json.loads((tmp_path / 'sparsity.json').read_text())
    assert record['removed'] >= 0.5
    rates = {round(layer['kept'] / layer['weights'], 3) for layer in record['kept'].values()}
    assert len(rates) > 3  # no two layers need have the same


def test_rlth_never_trains_a_weight(tmp_path):
    config = searched(
        tmp_path,
        epochs=2,
        recipe='s2ap_rlth',
        pretrain=0,
        search=None,
        host=dict(type='RLTH'),
        select='last',
        metric='accuracy/top1',
    )
    RUNNERS.build(config).train()
    state = saved(tmp_path, 'pruned.pth')['state_dict']
    for name, weight in state.items():
        if weight.ndim > 1:
            assert len(weight[weight != 0].abs().unique()) == 1, name  # signed constants


@pytest.mark.slow
def test_a_search_without_attack_and_with_weights_perturbed(tmp_path):
    runner = RUNNERS.build(searched(tmp_path, attack=None, perturb='weights', gamma=0.05))
    runner.train()
    early, late = saved(tmp_path, 'epoch_2.pth'), saved(tmp_path, 'epoch_3.pth')
    for name, weight in originals(early).items():
        assert torch.equal(weight, originals(late)[name]), name
    RUNNERS.build(searched(tmp_path / 'host', attack=None, perturb='none')).train()
    host = saved(tmp_path / 'host', 'epoch_3.pth')['robust_prune']['raw']
    ours = late['robust_prune']['raw']
    assert any(
        not torch.equal(value, ours[name])
        for name, value in host.items()
        if name.endswith('scores')
    )


@pytest.mark.slow
def test_a_killed_search_keeps_rates_the_best_mask_noise_and_offsets(tmp_path):
    """HARP's growing strength, the best mask, Free-AT's noise, S2AP's offsets survive a kill."""
    states = []
    for name, kill_at in (('whole', None), ('killed', 15)):
        config = searched(
            tmp_path / name,
            attack=dict(type='FreeAT'),
            recipe='s2ap_harp',
            target=0.5,
            rule=dict(carry=True),
            metric='accuracy/top1',
            hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False)),
        )
        if kill_at:
            assert run_apart(train, config, kill_at) == -9
        assert run_apart(train, config, None, bool(kill_at)) == 0
        states.append(saved(tmp_path / name, 'pruned.pth')['state_dict'])
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    stages = [
        json.loads((tmp_path / name / 'stages.json').read_text()) for name in ('whole', 'killed')
    ]
    assert stages[0] == stages[1] and stages[0][1]['meets_target']


def test_a_checkpoint_of_another_training_is_not_taken_for_a_search(finished, tmp_path):
    checkpoint = torch.load(finished[0] / 'epoch_1.pth', weights_only=True)
    del checkpoint['robust_prune']
    checkpoint['meta'].update(iter=18, epoch=3)
    torch.save(checkpoint, tmp_path / 'dense.pth')
    config = searched(tmp_path / 'run', attack=ATTACK)
    config.load_from, config.resume = str(tmp_path / 'dense.pth'), True
    with pytest.raises(ValueError, match='is at iteration 18, where pruning would have begun at 6'):
        RUNNERS.build(config).train()


@pytest.mark.slow
@pytest.mark.parametrize('ascent', ['previous', 'momentum', 'look'])
def test_a_search_by_another_ascent_is_resumed_and_is_the_host_at_radius_zero(tmp_path, ascent):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False))
    states = []
    for name, kill_at, fields in (
        ('host', None, dict(perturb='none', finetune_gamma=0.0)),
        ('zero', None, dict(gamma=0.0, finetune_gamma=0.0, ascent=ascent)),
        ('whole', None, dict(ascent=ascent)),
        ('killed', 15, dict(ascent=ascent)),
    ):
        config = searched(tmp_path / name, hooks=hooks, attack=None, **fields)
        assert run_apart(train, config, kill_at) == (0 if kill_at is None else -9)
        if kill_at is not None:
            assert run_apart(train, config, None, True) == 0
        states.append(saved(tmp_path / name, 'pruned.pth')['state_dict'])
    host, zero, whole, killed = states
    assert all(torch.equal(host[key], zero[key]) for key in host)
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    assert any(not torch.equal(host[key], whole[key]) for key in host)
