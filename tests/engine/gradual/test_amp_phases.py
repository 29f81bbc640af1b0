"""Mixed precision through all phases: bfloat16 on a CPU, float16 with overflows on a GPU."""

import json
import signal

import pytest
import torch
from mmengine.registry import RUNNERS

from mmrobustprune.engine import PruneRunner
from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper
from mmrobustprune.engine.runners import command
from tests.support.pair import PATIENCE, ends, equal, gradual, train_alone, train_pair
from tests.support.tiny import classifier

on_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason='bfloat16 is for machines without a GPU'
)
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
PHASES = ['warmup'] * 6 + ['prune'] * 6 + ['finetune'] * 6


def mixed(folder, recipe='adasap', **changes):
    """What `--amp` makes of a config: three epochs of 6 iterations, removal at 12."""
    config = classifier(folder, epochs=3, **changes)
    config.optim_wrapper = command.amp_wrapper(config.optim_wrapper)
    return gradual(config, recipe=recipe)


def often(interval=1):
    return dict(
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=False)
        )
    )


def watched(runner):
    """Train; phase and loss of every iteration, and the number types behind the backbone."""
    seen, step, training = dict(phase=[], loss=[], types=set()), runner.call_hook, []

    def call_hook(name, **kwargs):
        if name == 'after_train_iter':
            training.clear()
            hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'PrunePhaseHook')
            seen['phase'].append(hook.phase)
            seen['loss'].append(kwargs['outputs']['loss'].item())
        step(name, **kwargs)
        if name == 'before_train_iter':  # after it, as masks and removal compare in full precision
            training.append(True)

    runner.call_hook = call_hook
    handle = runner.model.backbone.layer1.register_forward_hook(
        lambda module, given, out: seen['types'].add(out.dtype) if training else None
    )
    runner.train()
    handle.remove()
    return seen


@on_cpu
@pytest.mark.parametrize('recipe', ['adasap', 'taylor'])
def test_bfloat16_goes_through_every_phase(tmp_path, recipe):
    runner = PruneRunner.from_cfg(mixed(tmp_path, recipe))
    seen = watched(runner)
    assert type(runner.optim_wrapper) is AmpSAMOptimWrapper
    assert seen['phase'] == PHASES and torch.tensor(seen['loss']).isfinite().all()
    assert seen['types'] == {torch.bfloat16}
    assert {p.dtype for p in runner.model.parameters()} == {torch.float32}
    assert json.loads((tmp_path / 'rounds.json').read_text())[-1]['removed'][
        'params'
    ] == pytest.approx(0.5, abs=0.05)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The end of a training in bfloat16 that nobody kills."""
    folder = tmp_path_factory.mktemp('whole')
    assert train_alone(mixed(folder)) == 0
    return ends(folder)[0]


@on_cpu
@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize('iteration', [4, 9, 15], ids=['warmup', 'prune', 'finetune'])
def test_bfloat16_resumes_to_the_same_weights(whole, tmp_path, iteration):
    assert train_alone(mixed(tmp_path, **often()), kill=(0, iteration)) == -signal.SIGKILL
    assert train_alone(mixed(tmp_path, **often()), resume=True) == 0
    end = ends(tmp_path)[0]
    assert equal(whole['parameters'], end['parameters']) and equal(whole['buffers'], end['buffers'])


@on_cpu
@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
def test_bfloat16_on_two_processes(tmp_path):
    assert train_pair(mixed(tmp_path, batch=4, custom_hooks=[dict(type='ReplicasEqual')])) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])


@on_gpu
@pytest.mark.parametrize('recipe', ['adasap', 'taylor'])
def test_float16_goes_through_every_phase_with_overflows(tmp_path, recipe):
    config = mixed(tmp_path, recipe)
    config.optim_wrapper.loss_scale = dict(
        init_scale=2.0**20
    )  # too large for float16: steps are skipped and it is halved
    runner = RUNNERS.build(config)
    seen = watched(runner)
    assert seen['phase'] == PHASES and seen['types'] == {torch.float16}
    assert runner.optim_wrapper.loss_scaler.get_scale() < 2.0**20
    assert all(p.isfinite().all() for p in runner.model.parameters())
    assert json.loads((tmp_path / 'rounds.json').read_text())[-1]['removed'][
        'params'
    ] == pytest.approx(0.5, abs=0.05)


@on_gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize('amp', [False, True])
def test_synchronised_batch_norm_through_every_phase(tmp_path, amp):
    """With it the statistics are those of the whole batch, so the ranks' buffers agree too."""
    config = classifier(tmp_path, epochs=3, batch=4, custom_hooks=[dict(type='ReplicasEqual')])
    config.model.backbone.norm_cfg = dict(type='SyncBN')
    if amp:
        config.optim_wrapper = command.amp_wrapper(config.optim_wrapper)
    assert train_pair(gradual(config)) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters']) and equal(
        left['buffers'], right['buffers']
    )
