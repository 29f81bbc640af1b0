"""Traps of two-pass training that need a GPU: float16, loss scaling, SyncBatchNorm."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper
from mmrobustprune.sharpness import ASAM, SAM, AdaSAP
from tests.support.passes import assert_same_state, batch, toy, wrapped

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


def on_gpu(number=0):
    return {name: tensor.cuda() for name, tensor in batch(number).items()}


def train(model, count, **kwargs):
    wrapper = wrapped(model, AmpSAMOptimWrapper, **kwargs)
    for number in range(count):
        model.train_step(on_gpu(number), wrapper)
    return wrapper


def test_T01_zero_radius_is_plain_training_in_float16():
    ends = []
    for rule in (None, SAM(rho=0.0)):
        model = toy().cuda()
        torch.manual_seed(3)
        train(model, 3, rule=rule)
        ends.append((model, torch.rand(3, device='cuda')))
    assert_same_state(ends[0][0], ends[1][0])
    assert torch.equal(ends[0][1], ends[1][1])


def test_T09_the_second_pass_casts_the_perturbed_weights(monkeypatch):
    losses = []
    monkeypatch.setattr(
        'mmrobustprune.engine.optim.passes.warn_if_far',
        lambda rule, clean, far: losses.append((far - clean).item()),
    )
    train(toy(dropout=0.0).cuda(), 1, rule=SAM(rho=1.0))
    assert losses[0] > 0.05


def test_T10_the_loss_scale_does_not_change_the_update():
    ends = []
    for scale in (1.0, 1024.0):
        model = toy(dropout=0.0).cuda()
        train(model, 1, rule=SAM(rho=0.5), loss_scale=scale, clip_grad=dict(max_norm=1.0))
        ends.append(model)
    for p, q in zip(*(model.parameters() for model in ends), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-2, atol=1e-3)


def test_T11_an_overflow_moves_nothing_and_halves_the_scale():
    model = toy().cuda()
    before = copy.deepcopy(model)
    wrapper = train(model, 1, rule=ASAM(), loss_scale=dict(init_scale=2.0**60))
    for p, q in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)
    assert wrapper.loss_scaler.get_scale() == 2.0**59


def test_a_step_waits_for_the_device_only_to_log():
    model = toy().cuda()
    wrapper = wrapped(model, SAMOptimWrapper, rule=AdaSAP(), log_interval=1000)
    model.train_step(on_gpu(), wrapper)  # logs, and looks at the first perturbed loss
    data = on_gpu(1)
    with wrapper.optim_context(model):
        loss = model(**data, mode='loss')['loss']
    torch.cuda.set_sync_debug_mode('error')
    try:
        wrapper.update_params(loss)
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
def test_T16_synchronised_batch_norm_on_two_ranks(tmp_path):
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, '-m', 'tests.support.ranks_gpu']
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], env=environment) for rank in range(2)
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert torch.load(tmp_path / '0.pt') == (0.0, True)
