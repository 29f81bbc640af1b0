"""Batches that are halved until they fit."""

from __future__ import annotations

import pytest
import torch

from mmrobustprune.attack import FGSM, Outcome
from mmrobustprune.engine.attacks.fitting import Fitting
from tests.attack.nets import labels, samples, small


class Small:
    """A device whose memory holds so many images; notes how many it was asked."""

    def __init__(self, most, probe):
        self.most = most
        self.probe = probe
        self.asked = []

    def __call__(self, model, x, y, index):
        self.asked.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError('CUDA out of memory.')
        return self.probe(model, x, y, index)


def test_what_does_not_fit_is_halved_once_and_the_answers_stay():
    model = small()
    x, index = samples(20)
    y = labels(model, x)
    probe = FGSM(eps=0.03)
    whole = probe(model, x, y, index).robust['fgsm']
    fitting = Fitting()
    tight = Small(6, probe)
    assert torch.equal(fitting(tight, model, x, y, index).robust['fgsm'], whole)
    assert tight.asked == [20, 10, 5, 5, 5, 5] and fitting.size == 5
    again = Small(6, probe)
    fitting(again, model, x[:12], y[:12], index[:12])
    assert again.asked == [5, 5, 2]  # it is not tried again


def test_one_image_that_does_not_fit_is_an_error():
    images = torch.rand(3, 1)
    with pytest.raises(torch.OutOfMemoryError, match='out of memory'):
        Fitting()(Small(0, None), None, images, images, images)


def test_notes_of_all_parts_are_kept_once():
    def probe(model, x, y, index):
        return Outcome(dict(a=x > 0), ('both', f'{len(x)}'))

    fitting = Fitting()
    fitting.size = 2
    images = torch.tensor([1.0, -1.0, 1.0])
    outcome = fitting(probe, None, images, images, images)
    assert outcome.robust['a'].tolist() == [True, False, True]
    assert outcome.notes == ('both', '2', '1')
