"""The numbers in the files of a run, in per cent, and what they depend on."""

import pytest

from mmrobustprune.report.paper.numbers import (
    Number,
    attacked,
    clean_of_attacks,
    corrupted,
    cost,
    cut,
    masked,
    numbers_of,
    searched,
    sharp,
    shifted,
    timed,
    unfinished,
)
from mmrobustprune.report.paper.observe import observe
from tests.report.paper.runs import attacks, values, work_dir
from tests.report.records import results


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
    assert run.facts['method'] == 'dense' and not {'size', 'speed-up'} & {*run.numbers}
    assert run.numbers['voc-c'].under == 'voc-c, 1 of 19 corruptions, severity 1, 3, seed 0'


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


CELLS = (('fog', 1, 50.0), ('fog', 3, 30.0), ('speckle_noise', 1, 40.0), ('speckle_noise', 3, 0.0))


def imagenet(cells=CELLS, **changes):
    """What results.json holds of a classifier; mPC is over fog, the other is no benchmark one."""
    found = [
        {'corruption': kind, 'severity': level, 'accuracy/top1': value}
        for kind, level, value in cells
    ]
    usual = dict(
        metric='accuracy/top1',
        suite='imagenet-c',
        seed=None,
        stored='data/imagenet-c',
        P=80.0,
        mPC=40.0,
        rPC=0.5,
        severities=[1, 3],
        per_corruption=dict(fog=40.0, speckle_noise=20.0),
        cells=found,
    )
    return usual | changes


def test_a_suite_is_the_mean_of_all_cells_and_mpc_of_the_benchmark():
    both = 'imagenet-c, 2 of 19 corruptions, severity 1, 3, published images'
    one = 'imagenet-c, 1 of 19 corruptions, severity 1, 3, published images'
    assert dict(corrupted(imagenet())) == {
        'clean': Number(80.0),
        'imagenet-c': Number(30.0, both),
        'R imagenet-c': Number(0.375, both),
        'mPC': Number(40.0, one),
        'rPC': Number(0.5, one),
        'imagenet-c@1': Number(
            45.0, 'imagenet-c, 2 of 19 corruptions, severity 1, published images'
        ),
        'imagenet-c@3': Number(
            15.0, 'imagenet-c, 2 of 19 corruptions, severity 3, published images'
        ),
    }


def test_computed_images_are_of_their_seed_and_old_ones_were_whole_photographs():
    unders = {}
    for seed in (0, 7):
        today = imagenet(seed=seed, stored=None, family='imagenet-c')
        unders[seed] = dict(corrupted(today))['imagenet-c'].under
        before = dict(corrupted(imagenet(seed=seed, stored=None)))
        assert 'imagenet-c' not in before and before['imagenet-c-uncropped'].value == 30.0
    assert unders[7] == 'imagenet-c, 2 of 19 corruptions, severity 1, 3, seed 7' != unders[0]


def test_a_missing_cell_leaves_the_means_over_it_out():
    missing = imagenet(
        (*CELLS[:3], ('speckle_noise', 3, None)),
        per_corruption=dict(fog=40.0, speckle_noise=None),
        mPC=None,
        rPC=None,
    )
    assert dict(corrupted(missing)) == {
        'clean': Number(80.0),
        'imagenet-c@1': Number(
            45.0, 'imagenet-c, 2 of 19 corruptions, severity 1, published images'
        ),
    }
    assert unfinished([('', 'results', missing)]) == ('imagenet-c lacks speckle_noise',)
    assert unfinished([('', 'results', imagenet())]) == ()


def test_a_network_that_is_never_right_has_no_ratio():
    found = dict(corrupted(imagenet(P=0.0, rPC=None)))
    assert found['clean'] == Number(0.0) and found['imagenet-c'].value == 30.0
    assert 'R imagenet-c' not in found and 'rPC' not in found


@pytest.mark.parametrize(
    'settings, key, under',
    [
        (dict(steps=20), 'pgd@8/255', 'pgd, radius 8/255, 20 steps'),
        (dict(version='standard', label='true', clip='image'), 'pgd@8/255', 'pgd, radius 8/255'),
        (
            dict(version='rand', label='predicted'),
            'pgd@8/255',
            'pgd, radius 8/255, version rand, label predicted',
        ),
        (dict(eps=0.1, space='normalised'), 'pgd@0.1 normalised', 'pgd, radius 0.1 normalised'),
        (dict(eps=0.5 / 255), 'pgd@0.5/255', 'pgd, radius 0.5/255'),
        (
            dict(subset=dict(size=5, of=50, pick='first')),
            'pgd@8/255',
            'pgd, radius 8/255, 5 of 50 images',
        ),
        (dict(subset=None), 'pgd@8/255', 'pgd, radius 8/255'),
    ],
)
def test_an_attack_is_called_by_its_radius_and_says_what_is_not_usual(settings, key, under):
    one = dict(attack='pgd', eps=8 / 255, space='pixel', accuracy=0.425) | settings
    assert dict(attacked(dict(attacks=[one]))) == {key: Number(42.5, under)}


def test_clean_of_an_attack_is_taken_where_no_evaluation_has_it():
    both = [('', 'results', imagenet()), ('', 'attacks', attacks(0.5, 0.7))]
    assert numbers_of(both, 'a')['clean'] == Number(80.0)
    assert numbers_of(both[1:], 'a')['clean'] == Number(70.0)
    assert dict(clean_of_attacks(dict(attacks=[]))) == {}
    assert dict(clean_of_attacks(dict(attacks=[], clean=0.9))) == {'clean': Number(90.0)}


def test_a_cost_has_what_was_measured_and_a_latency_its_device():
    found = dict(params=10, macs=None, latency=2.5, timing=dict(device='cpu, 1 threads'))
    assert dict(cost(found)) == dict(params=Number(10), latency=Number(2.5, 'cpu, 1 threads'))
    assert dict(cost(dict(macs=7))) == dict(macs=Number(7))


def test_a_speed_up_depends_on_how_it_was_timed_and_macs_on_nothing():
    how = dict(device='cuda', threads=4, precision='float16', batch=8)
    assert dict(timed(dict(how, speed_up=1.5, macs_ratio=2.0))) == {
        'speed-up': Number(1.5, 'cuda, 4 threads, float16, batch 8'),
        'macs ratio': Number(2.0),
    }
    assert dict(timed(how)) == {}  # of a dense network alone


def test_rounds_give_the_first_metric_before_and_after():
    first = dict(loss_before=1.0, metric_before={'pascal_voc/AP50': 0.75, 'pascal_voc/mAP': 0.5})
    last = dict(
        removed=dict(params=0.25),
        metric_after={'pascal_voc/AP50': 0.5},
        metric_recalibrated={'pascal_voc/AP50': 0.625},
    )
    assert dict(cut([first, dict(loss_after=9.0), last])) == {
        'size': Number(0.75),
        'loss before': Number(1.0),
        'metric before': Number(75.0, 'pascal_voc/AP50'),
        'metric after': Number(50.0, 'pascal_voc/AP50'),
        'metric recalibrated': Number(62.5, 'pascal_voc/AP50'),
    }
    assert dict(cut([dict(loss_before=1.0)])) == {'loss before': Number(1.0)}
    with_loss = dict(loss_before=9.0, metric_before={'loss': 2.293, 'accuracy/top1': 66.56})
    assert dict(cut([with_loss])) == {
        'loss before': Number(9.0),  # of a training batch
        'val loss before': Number(2.293),
        'metric before': Number(66.56, 'accuracy/top1'),
    }
    assert dict(cut([])) == {}


def test_a_mask_has_the_metrics_of_the_last_stage():
    stages = [
        dict(stage='search', metric_after={'accuracy/top1': 90.0}),
        dict(stage='finetune', removed=0.9, metric_after={'accuracy/top1': 60.0}),
    ]
    assert dict(masked(stages)) == {
        'mask top1': Number(60.0, 'accuracy/top1 of the validation'),
        'removed': Number(90.0),
    }
    assert dict(masked([])) == {} and dict(masked([dict(stage='search')])) == {}


def test_variants_without_a_ratio_have_none():
    found = dict(
        metric='accuracy/top1',
        clean=0.0,
        variants={'top-images': 1.0},
        R_V2={'top-images': None},
    )
    assert dict(shifted(found)) == {
        'clean': Number(0.0),
        'v2 top-images': Number(1.0, 'ImageNet-V2 top-images'),
    }


def test_sharpness_is_of_the_scores_alone():
    spaces = dict(
        weights=dict(loss_difference=[dict(rho=0.01, value=9.0)]),
        scores=dict(loss_difference=[dict(rho=0.001, value=0.1), dict(rho=0.0025, value=0.2)]),
    )
    found = dict(spaces=spaces, loss=dict(type='TRADES'), images=8, split='train')
    assert dict(sharp(found)) == {
        'loss difference@0.001': Number(0.1, 'TRADES, 8 train images'),
        'loss difference@0.0025': Number(0.2, 'TRADES, 8 train images'),
    }
    assert dict(sharp(found | dict(spaces=dict(weights=spaces['weights'])))) == {}


def test_a_search_counts_as_it_was_last_measured():
    rows = [[dict(rho=0.01, value=0.5)], [dict(rho=0.01, value=0.3)], None]
    records = [dict(epoch=at, loss_difference=row) for at, row in enumerate(rows)]
    wanted = {'loss difference@0.01': Number(0.3, 'last epoch of the search')}
    assert dict(searched(dict(records=records))) == wanted
    assert dict(searched(dict(records=records[2:]))) == {}


def test_two_evaluations_of_one_network_agree_or_are_refused():
    files = [('', 'attacks', attacks(0.5)), ('', 'attacks', attacks(0.5004))]
    assert numbers_of(files, 'a')['autoattack@8/255'].value == 50.0
    files = [('', 'results', imagenet()), ('', 'results', imagenet(P=80.2))]
    with pytest.raises(ValueError) as error:
        numbers_of(files, 'work/a')
    assert str(error.value) == (
        "'work/a' has two numbers for clean (80; 80.2); "
        'leave one of the evaluations in its work dir.'
    )
    files = [('', 'attacks', attacks(0.5, steps=steps)) for steps in (10, 20)]
    said = r'\(50 autoattack, radius 8/255, 10 steps; 50 autoattack, radius 8/255, 20 steps\)'
    with pytest.raises(ValueError, match=said):
        numbers_of(files, 'a')


def test_the_mask_alone_is_another_network():
    files = [('', 'attacks', attacks(0.5, 0.8)), ('mask ', 'attacks', attacks(0.3, 0.6))]
    found = {key: number.value for key, number in numbers_of(files, 'a').items()}
    assert found == {
        'clean': 80.0,
        'autoattack@8/255': 50.0,
        'mask clean': 60.0,
        'mask autoattack@8/255': 30.0,
    }
