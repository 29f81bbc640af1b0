"""The tables of AdaSAP: which run stands where, who competes, and networks made elsewhere."""

import pytest

from mmrobustprune.report.paper import TABLES, fill, notes
from mmrobustprune.report.paper.facts import facts_of
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from mmrobustprune.report.paper.write import heads
from tests.report.paper.runs import line

SAM = dict(type='SAM')
ASAM = dict(type='ASAM')
PLAIN = dict(type='AdaSAP', adaptive=False)


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
    """As `observe` gives a network without a recipe: all is kept, nothing is faster."""
    facts = facts_of(config, {}) | dict(method='dense', name='dense', seed=0)
    found = {'size': Number(1.0, None), 'speed-up': Number(1.0, None), 'clean': Number(clean)}
    more = {key: Number(value) for key, value in (numbers or {}).items()}
    return Observation(f'dense {config}', facts, found | more)


def elsewhere(name, clean):
    """As `observe` gives NAME=WORK_DIR of a folder that holds no config."""
    facts = facts_of('', {}) | dict(method=name, name=name, seed=None)
    return Observation(name, facts, {'clean': Number(clean)})


@pytest.mark.parametrize(
    'name, rows',
    [
        ('adasap-classifiers', 19),
        ('adasap-latency', 3),
        ('adasap-detectors', 6),
        ('adasap-7', 7),
        ('adasap-8', 10),
        ('adasap-9', 17),
        ('adasap-10', 6),
        ('adasap-11', 13),
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
        pruned('adasap', 0.6, 74.0, rule=PLAIN, finetune_rule=SAM),
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
    assert line(filled, 'AdaSAP_P + ASAM', '0.20')[1] == '62.00 ± 2.00'
    assert line(filled, 'AdaSAP_P + ASAM', '0.76')[1] == '-'


def test_a_network_made_elsewhere_stands_where_its_name_says():
    runs = [elsewhere('EagleEye 0.40', 74.5), pruned('adasap', 0.6, 75.0)]
    filled = fill(TABLES['adasap-11'], runs)
    assert line(filled, 'EagleEye', '0.40')[1] == '74.50'
    assert line(filled, 'EagleEye', '0.76')[1] == '-'
    assert "as 'EagleEye 0.76=WORK_DIR'" in notes(filled)[0]
    mobile = fill(TABLES['adasap-8'], [elsewhere('PolarReg MobileNetV2', 70.0)])
    assert line(mobile, 'MobileNetV2', 'PolarReg', '')[1] == '70.00'
    assert line(mobile, 'MobileNetV1', 'PolarReg', '')[1] == '-'


def test_mobilenets_have_a_line_for_every_budget_that_was_run():
    config = 'mobilenet-v2_8xb256-x_in1k'
    runs = [
        dense(71.9, 'mobilenet-v2_8xb256_in1k'),
        pruned('adasap', 0.5, 66.0, config=config),
        pruned('adasap', 0.25, 70.0, config=config),
        pruned('taylor', 0.5, 65.0, config=config),
    ]
    filled = fill(TABLES['adasap-8'], runs)
    ours = [row.labels for row in filled.rows if row.labels[:2] == ('MobileNetV2', 'AdaSAP_P')]
    assert [label[2] for label in ours] == ['0.25', '0.5']
    assert line(filled, 'MobileNetV2', 'AdaSAP_P', '0.5')[1] == '66.00'
    assert line(filled, 'MobileNetV2', 'dense', '0')[1] == '71.90'
    assert line(filled, 'MobileNetV1', 'dense', '0')[1] == '-'
    assert line(filled, 'MobileNetV1', 'Taylor', '-')[1] == '-'


def test_a_narrower_mobilenet_is_a_dense_network_of_its_own():
    runs = [
        dense(70.9, 'mobilenet-v1_8xb256_in1k'),
        dense(68.4, 'mobilenet-v1-x0.75_8xb256_in1k'),
    ]
    filled = fill(TABLES['adasap-9'], runs)
    assert line(filled, 'MobileNetV1', 'dense', '0')[1] == '70.90'
    assert line(filled, 'MobileNetV1', '0.75x MobileNetV1', '')[1] == '68.40'


def test_halp_is_the_linearised_solver_without_perturbation():
    plain = dict(rule=None, finetune_rule=None, solver='linearised')
    runs = [
        pruned('adasap_latency', 0.5, 74.0, numbers={'speed-up': 1.8}, **plain),
        pruned('adasap_latency', 0.5, 75.0, numbers={'speed-up': 1.9}),
    ]
    filled = fill(TABLES['adasap-latency'], runs)
    assert line(filled, 'HALP', '0.5')[:2] == ['1.80', '74.00']
    assert line(filled, 'AdaSAP_L', '0.5')[:2] == ['1.90', '**75.00**']


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
        pruned('adasap', 0.8, 70.0, numbers=found, rule=PLAIN, finetune_rule=SAM),
        pruned('adasap', 0.8, 71.0),
    ]
    filled = fill(TABLES['adasap-7'], runs)
    assert line(filled, 'AdaSAP_P', '0.20')[1:] == ['70.00', '65.00', '73.00', '78.00']
    assert len(filled.left) == 1


def test_what_ranks_the_neurons_goes_by_the_score():
    runs = [
        pruned('adasap', 0.6, 74.0, score=dict(type='Taylor')),
        pruned('adasap', 0.6, 75.0),
        pruned('taylor', 0.6, 73.0),
    ]
    filled = fill(TABLES['adasap-10'], runs)
    names = ('Taylor, SGD', 'AdaSAP_P,Taylor', 'AdaSAP_P')
    found = [line(filled, name, '0.42')[1] for name in names]
    assert found == ['73.00', '74.00', '**75.00**']


def test_the_removal_is_best_with_the_least_loss_and_the_most_accuracy():
    def cuts(after, metric, again):
        return {
            'loss before': 2.0,
            'loss after': after,
            'metric before': 66.0,
            'metric after': metric,
            'metric recalibrated': again,
        }

    runs = [
        pruned('taylor', 0.8, 0.0, numbers=cuts(3.5, 40.0, 60.0)),
        pruned('adasap', 0.8, 0.0, numbers=cuts(3.25, 46.0, 61.0)),
    ]
    filled = fill(TABLES['adasap-12'], runs)
    assert line(filled, 'Taylor, SGD', '0.20') == ['2.000', '3.500', '66.00', '40.00', '60.00']
    ours = line(filled, 'AdaSAP_P + ASAM', '0.20')
    assert ours == ['2.000', '**3.250**', '66.00', '**46.00**', '**61.00**']


def test_the_length_of_the_first_phase_is_in_epochs():
    runs = [
        pruned('adasap', 0.54, 73.0, warmup='5 epochs'),
        pruned('adasap', 0.54, 74.0, warmup=1 / 3),  # of 90 epochs
        pruned('adasap', 0.6, 1.0, warmup='10 epochs'),
    ]
    filled = fill(TABLES['adasap-13'], runs)
    found = [line(filled, length)[1] for length in ('5', '10', '20', '30')]
    assert found == ['73.00', '-', '-', '**74.00**']


def test_the_third_phase_goes_by_its_own_rule():
    runs = [
        pruned('adasap', 0.8, 70.0, finetune_rule=None),
        pruned('adasap', 0.8, 71.0, finetune_rule=dict(type='AdaSAP')),
        pruned('adasap', 0.8, 72.0),
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
