import json

import pytest

from mmrobustprune.report.paper.observe import observe
from tests.report.paper.runs import SEARCH, attacks, work_dir
from tests.report.records import results


def values(run):
    return {key: pytest.approx(number.value) for key, number in run.numbers.items()}


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
    }
    assert run.numbers['pgd@8/255'].under == 'pgd, radius 8/255, 10 steps'


def test_corruptions_are_of_all_cells_and_of_one_severity(tmp_path):
    (run,) = observe(
        [
            work_dir(
                tmp_path / 'dense',
                'ssd_voc0712',
                results=results(0.8, 0.1, kinds=('fog',), levels=(1, 3)),
            )
        ]
    )
    fog = {level: 100 * max(0.01, 0.8 - 0.1 * level - 0.005 * 9) for level in (1, 3)}
    assert values(run) | {
        'voc-c': sum(fog.values()) / 2,
        'voc-c@1': fog[1],
        'voc-c@3': fog[3],
        'R voc-c': sum(fog.values()) / 160,
        'clean': 80.0,
    } == values(run)
    assert (
        run.facts['method'] == 'dense'
        and run.numbers['size'].value == run.numbers['speed-up'].value == 1
    )
    assert run.numbers['voc-c'].under == 'voc-c, 1 corruptions, severity 1, 3'


def test_size_speed_and_what_the_cuts_did(tmp_path):
    rounds = [
        dict(
            loss_before=2.293,
            loss_after=2.4,
            metric_before={'accuracy/top1': 66.56},
            removed=dict(params=0.1),
        ),
        dict(
            loss_before=2.5,
            loss_after=3.146,
            metric_after={'accuracy/top1': 46.31},
            removed=dict(params=0.8),
        ),
    ]
    latency = dict(
        speed_up=2.0, macs_ratio=4.0, device='cpu', threads=1, precision='float32', batch=1
    )
    (run,) = observe(
        [
            work_dir(
                tmp_path / 'a',
                'r_x_in1k',
                "robust_prune = dict(recipe='taylor', target=0.8)",
                rounds=rounds,
                latency=latency,
            )
        ]
    )
    assert values(run) == {
        'size': 0.2,
        'loss before': 2.293,
        'metric before': 66.56,
        'loss after': 3.146,
        'metric after': 46.31,
        'speed-up': 2.0,
        'macs ratio': 4.0,
    }


def test_variants_of_imagenet_v2_and_sharpness_are_read(tmp_path):
    v2 = dict(
        metric='accuracy/top1',
        clean=77.32,
        variants={'top-images': 79.0},
        R_V2={'top-images': 1.02},
    )
    sharp = dict(
        spaces=dict(scores=dict(loss_difference=[dict(rho=0.01, value=0.2032)])),
        loss=dict(type='TRADES'),
        images=8,
        split='train',
    )
    (run,) = observe([work_dir(tmp_path / 'a', 'r_in1k', imagenet_v2=v2, sharpness=sharp)])
    wanted = {
        'clean': 77.32,
        'v2 top-images': 79.0,
        'R v2 top-images': 1.02,
        'loss difference@0.01': 0.2032,
    }
    assert values(run) | wanted == values(run)


def test_attacks_on_a_part_say_so(tmp_path):
    (run,) = observe(
        [
            work_dir(
                tmp_path / 'a',
                attacks=attacks(subset=dict(size=200, of=10000, pick='random', seed=0)),
            )
        ]
    )
    assert run.numbers['clean'].under == '200 of 10000 images'
    assert run.numbers['autoattack@8/255'].under == 'autoattack, radius 8/255, 200 of 10000 images'


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
