"""What lies in a run's folder, as fields of its record."""

import json

import numpy as np
import pytest

from mmrobustprune.attack import Clean
from mmrobustprune.corruption.evidence import Hits
from mmrobustprune.engine.comparison import numbers
from mmrobustprune.records.outcomes import unpack_outcomes

FGSM = dict(attack='fgsm', eps=8 / 255, accuracy=0.25, key='fgsm-pixel-0.03137-0')


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_a_column_for_every_attack():
    found = numbers.flat_attacks(dict(pixel=[FGSM, dict(FGSM, attack='pgd', accuracy=0)]))
    assert found == {'pixel fgsm 0.0314': 25.0, 'pixel pgd 0.0314': 0}


def test_minutes_count_every_step_once(tmp_path):
    assert numbers.training_minutes(tmp_path) is None
    steps = [dict(loss=1.0, iter=number, time=6.0) for number in (10, 20, 20)]
    for name, lines in (('a', steps[:2]), ('b', [*steps[2:], {'accuracy/top1': 3}])):
        file = tmp_path / name / 'vis_data' / 'scalars.json'
        file.parent.mkdir(parents=True)
        file.write_text('\n'.join(map(json.dumps, lines)))
    assert numbers.training_minutes(tmp_path) == pytest.approx(2.0)  # 20 steps of 6 s


def test_what_a_search_of_masks_came_to(tmp_path):
    assert numbers.stage_metrics(tmp_path) == {}
    last = dict(removed=0.9, metric_after={'accuracy/top1': 40.0})
    write(tmp_path / 'stages.json', [dict(removed=0), last])
    assert numbers.stage_metrics(tmp_path) == {'mask top1': 40.0, 'removed': 0.9}


def test_answers_of_every_image(tmp_path):
    cells = tmp_path / 'corrupted' / 'cells'
    cells.mkdir(parents=True)
    Hits(np.array([True, False, True])).save(cells / 'fog-3.npz')
    write(tmp_path / 'corrupted' / 'results.json', dict(data='d', subset=None))
    chunks = tmp_path / 'attacked-pixel' / 'chunks'
    write(chunks / f'{FGSM["key"]}-1.json', dict(index=[7], robust=dict(a='1', b='0')))
    write(chunks / f'{FGSM["key"]}-0.json', dict(index=[2, 5], robust=dict(a='11', b='01')))
    write(
        tmp_path / 'clean' / 'chunks' / f'{Clean().key}-0.json', dict(index=[0], robust={'c': '1'})
    )
    mask = tmp_path / 'mask-attacked-pixel' / 'chunks'
    write(mask / f'{FGSM["key"]}-0.json', dict(index=[1], robust=dict(a='1')))
    found = numbers.outcomes(tmp_path, dict(pixel=[FGSM]), dict(pixel=[FGSM]))
    answers = {name: unpack_outcomes(packed).tolist() for name, packed in found.items()}
    assert answers == {
        'fog-3': [True, False, True],
        'pixel fgsm 0.0314': [False, True, False],
        'mask pixel fgsm 0.0314': [True],
        'clean, all': [True],
    }
