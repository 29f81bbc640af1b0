import json

import pytest

from mmrobustprune.report.paper.observe import observe
from tests.report.paper.runs import SEARCH, attacks, values, work_dir


def test_a_work_dir_gives_facts_and_numbers_in_per_cent(tmp_path):
    stages = [
        dict(stage='search', iteration=10),
        dict(
            stage='finetune',
            iteration=30,
            removed=0.9,
            metric_after={'accuracy/top1': 60.0, 'attacked/pgd': 30.0},
        ),
    ]
    folder = work_dir(
        tmp_path / 'a-seed3',
        'resnet18_x_cifar10',
        SEARCH.format(fields="recipe='s2ap_hydra', target=0.9"),
        stages=stages,
        **{
            'attacked/attacks': attacks(0.5, 0.8, steps=10, name='pgd'),
            'mask-auto/attacks': attacks(0.4, 0.6),
        },
    )
    log = folder / '2026' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text(
        '\n'.join(
            json.dumps(dict(loss=1.0, iter=i, time=100.0 if i <= 10 else 36.0))
            for i in range(1, 31)
        )
    )
    (run,) = observe([folder])
    found = [run.facts[key] for key in ('seed', 'attack', 'host', 'method')]
    assert found == [3, 'TRADES', 'HYDRA', 's2ap_hydra']
    assert values(run) == {
        'clean': 80.0,
        'pgd@8/255': 50.0,
        'mask clean': 60.0,
        'mask autoattack@8/255': 40.0,
        'mask top1': 60.0,
        'mask pgd': 30.0,
        'removed': 90.0,
        'search hours': 0.2,
        'epochs': 220,
    }
    assert run.numbers['pgd@8/255'].under == 'pgd, radius 8/255, 10 steps'


def test_records_and_folders_of_them_are_runs(tmp_path):
    record = dict(
        name='adasap',
        seed=1,
        clean=0.5,
        mPC=0.4,
        rPC=0.8,
        metric='pascal_voc/AP50',
        suite='voc-c',
        severities=[3],
        per_corruption=dict(fog=0.4),
        params=10,
        epochs=20,
        commands=['python tools/train.py configs/bccd/ssdlite_adasap-p50_bccd.py --work-dir x'],
    )
    (tmp_path / 'adasap-seed1.json').write_text(json.dumps(record))
    (run,) = observe([tmp_path])
    assert run.facts == dict(
        config='ssdlite_adasap-p50_bccd',
        net='ssdlite',
        data='bccd',
        name='adasap',
        method='adasap',
        seed=1,
    )
    assert values(run) == {
        'clean': 50.0,
        'voc-c': 40.0,
        'voc-c@3': 40.0,
        'R voc-c': 0.8,
        'mPC': 40.0,
        'rPC': 0.8,
        'params': 10,
        'epochs': 20,
    }
    (tmp_path / 'adasap-seed1.json').write_text(
        json.dumps(record | dict(facts=dict(recipe='adasap', target=0.5, config='')))
    )
    (run,) = observe([tmp_path / 'adasap-seed1.json'])
    assert (run.facts['method'], run.facts['target'], run.facts['config']) == (
        'adasap',
        0.5,
        'ssdlite_adasap-p50_bccd',
    )


def test_a_network_without_a_recipe_takes_the_name_it_is_given(tmp_path):
    work_dir(tmp_path / 'a', 'r_in1k', cost=dict(params=3))
    (run,) = observe([f'EagleEye 0.76={tmp_path / "a"}'])
    assert run.facts['method'] == 'EagleEye 0.76' and 'size' not in run.numbers


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path):
    (tmp_path / 'empty').mkdir()
    work_dir(tmp_path / 'two', 'a', cost=dict(params=3))
    (tmp_path / 'two' / 'b.py').write_text('')
    work_dir(tmp_path / 'torn', **{'x/attacks': attacks(0.5), 'y/attacks': attacks(0.4)})
    (tmp_path / 'broken.json').write_text('{')
    (tmp_path / 'other.json').write_text('[]')
    for what, error, said in (
        ('empty', FileNotFoundError, 'holds none of results.json'),
        ('two', ValueError, r'holds 2 configs \(a.py, b.py\)'),
        ('torn', ValueError, r'has two numbers for autoattack@8/255 \(50 .*; 40 .*\); leave one'),
        ('broken.json', ValueError, 'is not JSON'),
        ('other.json', ValueError, "has no 'name'"),
        ('nothing', FileNotFoundError, 'is not there; give work dirs'),
    ):
        with pytest.raises(error, match=said):
            observe([tmp_path / what])
    good = work_dir(tmp_path / 'good', cost=dict(params=3))
    with pytest.raises(ValueError, match='is given twice'):
        observe([good, good])
