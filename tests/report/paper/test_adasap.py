"""The tables of AdaSAP: which run stands where, who competes, and networks made elsewhere."""

import pytest

from mmrobustprune.report.paper import TABLES, fill
from mmrobustprune.report.paper.facts import facts_of
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from mmrobustprune.report.paper.write import heads
from tests.report.paper.runs import line

SAM = dict(type='SAM')
ASAM = dict(type='ASAM')
PLAIN = dict(type='AdaSAP', rho_max=0.1, adaptive=False)
OURS = dict(rule=PLAIN, finetune_rule=SAM)  # AdaSAP without ASAM


def pruned(recipe, target, clean, seed=0, config='resnet50_8xb128-x_in1k', numbers=None, **fields):
    """A run as its config tells it; `fields` are those of the recipe."""
    settings = dict(
        robust_prune=dict(recipe=recipe, target=target, **fields),
        train_cfg=dict(max_epochs=90),
    )
    facts = facts_of(config, settings) | dict(method=recipe, name=recipe, seed=seed)
    found = {key: Number(value) for key, value in (numbers or {}).items()}
    return Observation(
        f'{recipe} {target} {fields} {seed}', facts, {'clean': Number(clean)} | found
    )


def dense(clean, config='resnet50_8xb128-90e_in1k', numbers=None):
    """As `observe` gives a network without a recipe."""
    facts = facts_of(config, {}) | dict(method='dense', name='dense', seed=0)
    more = {key: Number(value) for key, value in (numbers or {}).items()}
    return Observation(f'dense {config}', facts, {'clean': Number(clean)} | more)


@pytest.mark.parametrize(
    'name, rows',
    [
        ('adasap-classifiers', 19),
        ('adasap-latency', 4),
        ('adasap-detectors', 7),
        ('adasap-7', 7),
        ('adasap-8', 12),
        ('adasap-9', 11),
        ('adasap-10', 6),
        ('adasap-11', 10),
        ('adasap-12', 12),
        ('adasap-13', 4),
        ('adasap-14', 3),
        ('adasap-15', 15),
    ],
)
def test_tables_have_as_many_lines_as_the_papers_cells_ask_for(name, rows):
    assert len(TABLES[name].rows) == rows


def test_every_method_has_its_line_by_the_rules_of_its_config():
    runs = [
        dense(77.0),
        pruned('magnitude', 0.6, 70.0),
        pruned('taylor', 0.6, 71.0),
        pruned('taylor', 0.6, 72.0, rule=SAM, finetune_rule=SAM),
        pruned('taylor', 0.6, 73.0, rule=ASAM, finetune_rule=ASAM),
        pruned('adasap', 0.6, 74.0, **OURS),
        pruned('adasap', 0.6, 75.0),
    ]
    filled = fill(TABLES['adasap-classifiers'], runs)
    assert heads(filled) == ['method', 'kept', 'Size', 'Val', 'IN-V2', 'R_V2', 'IN-C', 'R_C']
    names = [row.labels[0] for row in filled.rows if row.labels[1] == '0.40']
    found = {name: line(filled, name, '0.40')[1] for name in names}
    assert found == {
        'Magnitude': '70.00',
        'Taylor': '71.00',
        'SAM': '72.00',
        'SAM + ASAM': '73.00',
        'AdaSAP_P': '74.00',
        'AdaSAP_P + ASAM': '**75.00**',
    }
    assert line(filled, 'dense', '1')[:2] == ['1.00', '77.00'] and not filled.left


def test_methods_compete_at_one_size_and_the_dense_network_with_none():
    runs = [
        dense(77.0),
        pruned('taylor', 0.24, 76.0),
        pruned('adasap', 0.24, 75.5),
        pruned('taylor', 0.8, 60.0),
        pruned('adasap', 0.8, 65.0),
        pruned('adasap', 0.6, 72.0),
    ]
    filled = fill(TABLES['adasap-classifiers'], runs)
    found = [line(filled, 'Taylor', kept)[1] for kept in ('0.76', '0.40', '0.20')]
    assert found == ['**76.00**', '-', '60.00']
    found = [line(filled, 'AdaSAP_P + ASAM', kept)[1] for kept in ('0.76', '0.40', '0.20')]
    assert found == ['75.50', '72.00', '**65.00**']
    assert line(filled, 'dense', '1')[1] == '77.00'


def test_repeats_are_one_line_with_their_deviation():
    runs = [pruned('adasap', 0.8, 60.0 + 2 * seed, seed) for seed in range(3)]
    filled = fill(TABLES['adasap-11'], runs)
    cells = dict(zip(heads(filled)[2:], line(filled, 'AdaSAP_P + ASAM', '0.20'), strict=True))
    assert cells['Val'] == '62.00 ± 2.00'
    assert cells['Val 95 %'] == '± 4.97'  # 4.303 x 2 / sqrt(3)
    assert cells['IN-C 95 %'] == '-'
    assert line(filled, 'AdaSAP_P + ASAM', '0.76')[1] == '-'


def test_mobilenets_compete_within_their_network_and_size():
    v1 = 'mobilenet-v1_8xb128-x_in1k'
    v2 = 'mobilenet-v2_8xb128-x_in1k'
    runs = [
        dense(72.6, 'mobilenet-v1_8xb128_in1k'),
        pruned('adasap', 0.44, 72.0, config=v1, **OURS),
        pruned('taylor', 0.44, 71.0, config=v1),
        pruned('adasap', 0.61, 69.0, config=v1, **OURS),
        pruned('taylor', 0.61, 68.0, config=v1),
        pruned('adasap', 0.28, 71.5, config=v2, **OURS),
        pruned('taylor', 0.28, 71.6, config=v2),
        pruned('adasap', 0.5, 66.0, config=v2, **OURS),
    ]
    filled = fill(TABLES['adasap-8'], runs)
    found = {
        row.labels: line(filled, *row.labels)[1]
        for row in filled.rows
        if line(filled, *row.labels)[1] != '-'
    }
    assert found == {
        ('MobileNetV1', 'dense', '1'): '72.60',
        ('MobileNetV1', 'Taylor', '0.56'): '71.00',
        ('MobileNetV1', 'AdaSAP_P', '0.56'): '**72.00**',
        ('MobileNetV1', 'Taylor', '0.39'): '68.00',
        ('MobileNetV1', 'AdaSAP_P', '0.39'): '**69.00**',
        ('MobileNetV2', 'Taylor', '0.72'): '**71.60**',
        ('MobileNetV2', 'AdaSAP_P', '0.72'): '71.50',
    }
    (reason,) = filled.left.values()
    wants = "'MobileNetV2, AdaSAP_P, 0.88' wants 0.12"
    assert reason.endswith(f'has target 0.5 where {wants}')


def test_a_narrower_mobilenet_is_timed_and_not_as_fast_by_definition():
    runs = [
        dense(70.9, 'mobilenet-v1_8xb256_in1k'),
        dense(68.4, 'mobilenet-v1-x0.75_8xb256_in1k', {'speed-up': 1.4}),
    ]
    filled = fill(TABLES['adasap-9'], runs)
    assert line(filled, 'MobileNetV1', 'dense', '1')[:2] == ['1.00', '70.90']
    assert line(filled, 'MobileNetV1', '0.75x MobileNetV1', '-')[:2] == ['1.40', '68.40']
    alone = fill(TABLES['adasap-9'], [dense(68.4, 'mobilenet-v1-x0.75_8xb256_in1k')])
    assert line(alone, 'MobileNetV1', '0.75x MobileNetV1', '-')[:2] == ['-', '68.40']


def test_halp_is_the_linearised_solver_without_perturbation():
    plain = dict(rule=None, finetune_rule=None, solver='linearised')
    runs = [
        pruned('adasap_latency', 0.5, 74.0, numbers={'speed-up': 1.8}, **plain),
        pruned('adasap_latency', 0.5, 75.0, numbers={'speed-up': 1.9}),
    ]
    filled = fill(TABLES['adasap-latency'], runs)
    assert line(filled, 'HALP', '0.5')[:2] == ['1.80', '74.00']
    assert line(filled, 'AdaSAP_L + ASAM', '0.5')[:2] == ['1.90', '**75.00**']


def test_detectors_are_of_one_config_and_any_budget():
    ours = 'ssd512_r50-x_voc0712'
    numbers = {'clean': 80.0, 'voc-c': 48.0, 'R voc-c': 0.6, 'size': 0.4}
    runs = [
        dense(81.0, 'ssd512_r50_voc0712'),
        pruned('adasap', 0.6, 80.0, config=ours, numbers=numbers),
        pruned('taylor', 0.6, 10.0, config='ssdlite-x_voc0712'),
    ]
    filled = fill(TABLES['adasap-detectors'], runs)
    assert heads(filled)[2:] == ['Size', 'Speedup', 'AP50', 'VOC-C', 'R_C']
    cells = line(filled, 'AdaSAP_P + ASAM', '0.6')
    assert cells == ['0.40', '-', '80.00', '48.00', '0.60']
    assert line(filled, 'Taylor', '-') == ['-'] * 5
    assert line(filled, 'dense', '0') == ['1.00', '1.00', '81.00', '-', '-']


def test_variants_of_imagenet_v2_are_without_asam():
    found = {'v2 matched-frequency': 65.0, 'v2 threshold-0.7': 73.0, 'v2 top-images': 78.0}
    runs = [
        pruned('adasap', 0.8, 70.0, numbers=found, **OURS),
        pruned('adasap', 0.8, 71.0),
    ]
    filled = fill(TABLES['adasap-7'], runs)
    assert line(filled, 'AdaSAP_P', '0.20')[1:] == ['70.00', '65.00', '73.00', '78.00']
    assert len(filled.left) == 1


def test_what_ranks_the_neurons_goes_by_the_score():
    runs = [
        pruned('adasap', 0.58, 74.0, score=dict(type='Taylor'), **OURS),
        pruned('adasap', 0.58, 75.0, **OURS),
        pruned('taylor', 0.58, 73.0),
    ]
    filled = fill(TABLES['adasap-10'], runs)
    names = ('Taylor', 'AdaSAP_P,Taylor', 'AdaSAP_P')
    found = [line(filled, name, '0.42')[1] for name in names]
    assert found == ['73.00', '74.00', '**75.00**']


def test_the_removal_is_best_with_the_least_loss_and_the_most_accuracy():
    def cuts(after, metric, again):
        return {
            'loss before': 9.0,  # of a training batch, as in the log
            'val loss before': 2.0,
            'val loss after': after,
            'metric before': 66.0,
            'metric after': metric,
            'metric recalibrated': again,
        }

    runs = [
        pruned('taylor', 0.8, 0.0, numbers=cuts(3.5, 40.0, 60.0)),
        pruned('adasap', 0.8, 0.0, numbers=cuts(3.25, 46.0, 61.0), **OURS),
    ]
    filled = fill(TABLES['adasap-12'], runs)
    assert line(filled, 'Taylor', '0.20') == ['2.000', '3.500', '66.00', '40.00', '60.00']
    ours = line(filled, 'AdaSAP_P', '0.20')
    assert ours == ['2.000', '**3.250**', '66.00', '**46.00**', '**61.00**']


def test_the_length_of_the_first_phase_is_in_epochs():
    runs = [
        pruned('adasap', 0.32, 73.0, warmup='5 epochs', budget='channels', **OURS),
        pruned('adasap', 0.32, 74.0, warmup=1 / 3, budget='channels', **OURS),  # of 90 epochs
        pruned('adasap', 0.6, 1.0, warmup='10 epochs'),
    ]
    filled = fill(TABLES['adasap-13'], runs)
    found = [line(filled, length)[1] for length in ('5', '10', '20', '30')]
    assert found == ['73.00', '-', '-', '**74.00**']


def test_the_third_phase_goes_by_its_own_rule():
    runs = [
        pruned('adasap', 0.8, 70.0, rule=PLAIN, finetune_rule=None),
        pruned('adasap', 0.8, 71.0, rule=PLAIN, finetune_rule=PLAIN),
        pruned('adasap', 0.8, 72.0, **OURS),
        pruned('adasap', 0.8, 99.0),
    ]
    filled = fill(TABLES['adasap-14'], runs)
    found = [line(filled, name)[1] for name in ('none', 'adaptive', 'uniform')]
    assert found == ['70.00', '71.00', '**72.00**']


def test_with_and_without_asam_are_two_competitions():
    runs = [
        pruned('taylor', 0.8, 70.0),
        pruned('taylor', 0.8, 71.0, rule=SAM, finetune_rule=SAM),
        pruned('taylor', 0.8, 72.0, rule=ASAM, finetune_rule=ASAM),
        pruned('adasap', 0.8, 73.0),
    ]
    filled = fill(TABLES['adasap-15'], runs)
    names = ('SGD', 'SAM', 'AdaSAP_P', 'SAM + ASAM', 'AdaSAP_P + ASAM')
    found = [line(filled, name, '0.20')[1] for name in names]
    assert found == ['70.00', '**71.00**', '-', '72.00', '**73.00**']
