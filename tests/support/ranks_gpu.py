"""Two GPUs with SyncBatchNorm, an overflow on one of them (tests/engine/test_traps_gpu.py)."""

import sys

import torch
import torch.distributed as dist
from torch import nn

from mmrobustprune.sharpness import SAM
from tests.support.passes import toy, wrapped
from tests.support.ranks import OneRankOverflows, apart, data, ddp


def main(rank, folder):
    torch.cuda.set_device(int(rank))
    dist.init_process_group('nccl', f'file://{folder}/store', rank=int(rank), world_size=2)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(toy(OneRankOverflows)).cuda()
    model = ddp(model, device_ids=[int(rank)])
    wrapper = wrapped(model, rule=SAM(rho=0.5))
    for number in range(3):
        model.train_step({name: t.cuda() for name, t in data(number).items()}, wrapper)
    finite = all(torch.isfinite(p).all().item() for p in model.parameters())
    torch.save((apart(model), finite), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


if __name__ == '__main__':
    main(*sys.argv[1:])
