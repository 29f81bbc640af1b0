"""Evaluators and what detectors and classifiers hand to them, for tests of what is recorded."""

import numpy as np
import torch
from mmengine.evaluator import Evaluator

from mmrobustprune.engine.robustness.metrics import evaluate_all

CLASSES = ('cat', 'dog', 'owl')


def evaluator(*metrics, classes=CLASSES):
    out = Evaluator(list(metrics))
    out.dataset_meta = dict(classes=classes)
    return out


def boxes_near(rng, boxes, spread):
    return boxes + rng.integers(-spread, spread + 1, boxes.shape)


def samples(seed, images=6, classes=3):
    """True boxes, some difficult, and detections near them and elsewhere, of different scores."""
    rng = np.random.default_rng(seed)
    scores, out = rng.permutation(np.linspace(0.01, 0.99, images * 12)).astype(np.float32), []
    for index in range(images):
        true = rng.integers(0, 60, (rng.integers(0, 5), 4)).astype(float)
        true[:, 2:] = true[:, :2] + rng.integers(8, 30, (len(true), 2))
        difficult = rng.random(len(true)) < 0.2
        labels = rng.integers(0, classes, len(true))
        found = rng.permutation(np.concatenate([np.arange(len(true))] * 2))[:12]
        boxes = boxes_near(rng, true[found], 4)
        guess = np.where(
            rng.random(len(found)) < 0.8, labels[found], rng.integers(0, classes, len(found))
        )
        out.append(
            sample(index, true, labels, difficult, boxes, guess, scores[12 * index :][: len(found)])
        )
    return out


def sample(index, true, labels, difficult, boxes, guess, scores):
    def group(chosen):
        return dict(
            bboxes=torch.tensor(true[chosen], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(labels[chosen]),
        )

    instances = [
        dict(bbox=box.tolist(), bbox_label=int(label), ignore_flag=int(out))
        for box, label, out in zip(true, labels, difficult, strict=True)
    ]
    return dict(
        img_id=index,
        ori_shape=(100, 100),
        instances=instances,
        gt_instances=group(~difficult),
        ignored_instances=group(difficult),
        pred_instances=dict(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(guess),
            scores=torch.tensor(scores),
        ),
    )


def evaluated(metric, made, main=None, **options):
    """Unrounded numbers, classes and evidence; every image has a number of its own."""
    ours = evaluator(metric, **options)
    ours.process([dict(one, img_id=index) for index, one in enumerate(made)])
    return evaluate_all(ours, len(made), main)


def ones(evidence):
    return evidence.metric(np.ones((1, evidence.images)))[0]


def scores(count, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        dict(
            pred_score=torch.rand(classes, generator=generator).softmax(0),
            gt_label=torch.randint(classes - 1, (1,), generator=generator),
        )
        for _ in range(count)
    ]
