"""Data sets and models for corruption suites that need no training: what they predict is read off
the pixels, so that every corruption moves the metric and every number is known again."""

import copy
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData

import tests.support.tiny  # noqa: F401  TinyImages

SMALL = dict(corruptions=['gaussian_noise', 'impulse_noise', 'jpeg_compression'], severities=[3, 5])
SIZES = ((60, 81), (47, 64), (90, 50), (64, 64), (33, 120), (52, 52))


@MODELS.register_module(force=True)
class PixelDetector(BaseModel):
    """Finds every true box, shifted by how far its pixels are from the colour painted there."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor=data_preprocessor)
        self.weight = torch.nn.Parameter(torch.full((1,), 0.15))

    def forward(self, inputs, data_samples, mode='tensor'):
        return [self._find(*pair) for pair in zip(inputs, data_samples, strict=True)]

    def _find(self, image, sample):
        truth, found = sample.gt_instances, []
        for box in torch.as_tensor(truth.bboxes).float():
            x1, y1, x2, y2 = box.long().tolist()
            colour = image[:, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].float().mean((1, 2))
            shift = self.weight * (colour - colour.new_tensor([40, 90, 200])).abs().mean()
            found.append(box + shift * (box[2:] - box[:2]).repeat(2) / 10)
        sample.pred_instances = InstanceData(
            bboxes=torch.stack(found).detach(),
            labels=torch.as_tensor(truth.labels),
            scores=torch.linspace(0.9, 0.5, len(found)),
        )
        return sample


@MODELS.register_module(force=True)
class PixelClassifier(BaseModel):
    """The brightest channel, in the order in which the image arrives, above all at one pixel."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor=data_preprocessor)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples, mode='tensor'):
        scores = (self.weight * inputs.float()).mean((2, 3)).detach() + 2 * inputs[:, :, 3, 3]
        return [
            sample.set_pred_score(score / 999)
            for sample, score in zip(data_samples, scores, strict=True)
        ]


class Listed:
    """The least that a data set of mmengine is."""

    def __init__(self, data, transforms):
        self.data = data
        self.pipeline = Compose(transforms)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.pipeline(copy.deepcopy(self.data[index]))


def rgb(height=40, width=50, seed=0):
    """An image of noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_voc(root: Path, bad: bool = False) -> Path:
    """Six pictures of odd sizes in the layout of Pascal VOC; (40, 90, 200) BGR in
    every box, one box of a single pixel."""
    for folder in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True)
    names = []
    for index, (height, width) in enumerate(SIZES):
        rng, name = np.random.default_rng(index), f'{index:06d}'
        image = rng.integers(90, 160, (height, width, 3), dtype=np.uint8)
        boxes = [('cat', 5, 6, 30, 29), ('dog', 31, 8, 46, 32)]
        boxes += [('dog', 40, 30, 41, 31)] * (index == 3)
        for _, x1, y1, x2, y2 in boxes:
            image[y1:y2, x1:x2] = (40, 90, 200)
        path = root / 'JPEGImages' / f'{name}.jpg'
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
        if bad and index == 4:
            path.write_bytes(b'no picture')
        objects = ''.join(
            f'<object><name>{kind}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1}</xmin>'
            f'<ymin>{y1 + 1}</ymin><xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox></object>'
            for kind, x1, y1, x2, y2 in boxes
        )
        (root / 'Annotations' / f'{name}.xml').write_text(
            f'<annotation><filename>{name}.jpg</filename><size><width>{width}</width><height>'
            f'{height}</height><depth>3</depth></size>{objects}</annotation>'
        )
        names.append(name)
    (root / 'ImageSets' / 'Main' / 'test.txt').write_text('\n'.join(names) + '\n')
    return root


def voc(root: Path, work_dir: Path, workers: int = 0, batch: int = 2, **changes) -> Config:
    """PixelDetector on the set of `write_voc`."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape')),
    ]
    config = Config(
        dict(
            default_scope='mmdet',
            work_dir=str(work_dir),
            log_level='WARNING',
            robust_eval=dict(workers=workers),
            model=dict(type='PixelDetector'),
            data_preprocessor=dict(type='DetDataPreprocessor'),
            test_dataloader=dict(
                batch_size=batch,
                num_workers=workers,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='VOCDataset',
                    data_root=f'{root}/',
                    ann_file='ImageSets/Main/test.txt',
                    data_prefix=dict(sub_data_root=''),
                    metainfo=dict(classes=('cat', 'dog')),
                    test_mode=True,
                    pipeline=pipeline,
                ),
            ),
            test_evaluator=dict(type='VOCMetric', metric='mAP', eval_mode='area'),
            test_cfg=dict(),
        )
    )
    config.merge_from_dict(changes)
    return config


def arrays(work_dir: Path, size: int = 32, workers: int = 0, **changes) -> Config:
    """PixelClassifier on RGB arrays without a loading transform, as CIFAR10 of mmpretrain."""
    config = Config(
        dict(
            default_scope='mmpretrain',
            work_dir=str(work_dir),
            log_level='WARNING',
            robust_eval=dict(workers=workers),
            model=dict(type='PixelClassifier'),
            data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=3, to_rgb=False),
            test_dataloader=dict(
                batch_size=5,
                num_workers=workers,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='TinyImages',
                    length=12,
                    size=size,
                    test_mode=True,
                    pipeline=[dict(type='PackInputs')],
                ),
            ),
            test_evaluator=dict(type='Accuracy', topk=(1,)),
            test_cfg=dict(),
        )
    )
    config.merge_from_dict(changes)
    return config


def save(config: Config, path: Path, **weights) -> str:
    """A checkpoint of the config's toy, its one weight as given."""
    model = MODELS.build(dict(type=config.model.type))
    for value in weights.values():
        model.weight.data.fill_(value)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def random_weights(config: Config, path: Path) -> Path:
    """A checkpoint with random weights for a config of mmdet or mmpretrain."""
    init_default_scope(config.default_scope)
    torch.manual_seed(0)
    model = dict(config.model)
    if config.get('data_preprocessor'):
        model.setdefault('data_preprocessor', config.data_preprocessor)
    torch.save(dict(state_dict=MODELS.build(model).state_dict(), meta={}), path)
    return path
