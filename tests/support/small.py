"""A network with a residual block that trains under any recipe in a second, without mmpretrain."""

import uuid
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS, RUNNERS
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset


@DATASETS.register_module(force=True)
class SmallImages(Dataset):
    """Noise whose brightest channel tells the class."""

    def __init__(self, length=24):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 6, 6, generator=generator)
        image[index % 3] += 0.5
        return dict(inputs=image, data_samples=torch.tensor(index % 3))


@MODELS.register_module(force=True)
class SmallNet(BaseModel):
    """stem - (conv1 - conv2) + - last - head: groups of 8, 6 and 10 channels."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 10, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(10)
        self.head = nn.Linear(10, 3)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = self.bn(self.stem(inputs)).relu()
        x = (x + self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))).relu()
        x = self.bn3(self.last(x)).relu()
        out = self.head(x.mean((2, 3)))
        if mode == 'loss':
            return dict(loss=functional.cross_entropy(out, data_samples))
        return out if mode == 'tensor' else list(out.argmax(1))


@METRICS.register_module(force=True)
class Share(BaseMetric):
    """The share of right answers."""

    def process(self, data_batch, data_samples):
        pairs = zip(data_samples, data_batch['data_samples'], strict=True)
        self.results += [float(answer == label) for answer, label in pairs]

    def compute_metrics(self, results):
        return dict(share=sum(results) / len(results))


def small(work_dir, epochs=4, batch=4, save=1, **recipe):
    """A training of 6 iterations an epoch, with a checkpoint after every one."""
    loader = dict(
        batch_size=batch,
        num_workers=0,
        dataset=dict(type='SmallImages'),
        collate_fn=dict(type='default_collate'),
    )
    config = dict(
        work_dir=str(work_dir),
        custom_imports=dict(imports=['tests.support.small']),
        runner_type='mmrobustprune.PruneRunner',
        robust_prune=dict(dict(measure=False, recalibrate='16 images'), **recipe),
        model=dict(type='SmallNet'),
        train_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=True)),
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
        val_evaluator=dict(type='Share'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=epochs),
        val_cfg=dict(),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=save, by_epoch=False)),
        randomness=dict(seed=3),
        log_level='ERROR',
        experiment_name=uuid.uuid4().hex,
    )
    return Config(config, format_python_code=False)


def trained_weights(config, resume=None):
    """Weights and those of the moving average after a training.

    From an iteration of a run whose checkpoints lie in the config's work dir, where one is given.
    """
    config.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    if resume is not None:
        whole = Path(config.work_dir)
        config.work_dir = str(whole.with_name(f'from{resume}'))
        config.load_from = str(whole / f'iter_{resume}.pth')
        config.resume = True
    runner = RUNNERS.build(config)
    runner.train()
    average = torch.load(Path(config.work_dir) / 'pruned.pth', weights_only=True)['state_dict']
    weights = runner.model.state_dict()
    return weights | {f'average of {key}': value for key, value in average.items()}
