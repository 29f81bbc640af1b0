from dataclasses import replace

import pytest

from mmrobustprune.report.paper import (
    TABLES,
    fill,
    get_table,
    markdown,
    notes,
)
from mmrobustprune.report.paper.facts import facts_of
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from tests.report.paper.runs import SMALL, line, run, searched

LATENCY = {
    'method': 'adasap_latency',
    'budget': 'latency',
    'rule': 'AdaSAP + ASAM',
    'robust_prune.rule.rho_max': 2.0,
    'finetune': 'ASAM',
    'robust_prune.finetune_rule.rho': 2.0,
}


def test_equal_printed_numbers_are_both_bold_and_a_number_alone_is_not():
    arms = [run('a', value=1.001), run('b', value=1.004), run('c', value=0.5)]
    assert [line(fill(SMALL, arms), name) for name in 'abc'] == [
        ['**1.00**'],
        ['**1.00**'],
        ['0.50'],
    ]
    assert line(fill(SMALL, arms[:1]), 'a') == ['1.00']


def test_the_least_is_best_where_less_is_better():
    runs = [searched(0.8, 'HARP', 'Orig.', 1.0, 1.0), searched(0.8, 'HARP', 'S2AP', 1.0, 1.0)]
    key = 'loss difference@0.01'
    runs = [
        replace(one, numbers={key: Number(value)})
        for one, value in zip(runs, (0.2210, 0.2032), strict=True)
    ]
    assert line(fill(TABLES['s2ap-13'], runs), 'ResNet18', '80 %', 'HARP')[-2:] == [
        '0.2210',
        '**0.2032**',
    ]


def test_another_attack_may_stand_for_robust():
    one = searched(0.9, 'HARP', 'S2AP', 80.0, 50.0)
    one = replace(one, numbers=dict(one.numbers) | {'pgd@8/255': Number(55.0)})
    assert line(fill(TABLES['s2ap-1'], [one], 'pgd@8/255'), 'ResNet18', '90 %')[1] == '80.00/55.00'


def test_runs_that_are_no_repeats_are_refused_in_one_sentence():
    for other, said in (
        (
            searched(0.8, 'HARP', 'S2AP', 80.0, 50.0, 1, gamma=0.01),
            r"both fit 'ResNet18, 80 %' under 'HARP S2AP' and are no "
            r'repeats \(gamma 0.001 and 0.01\); give one of them',
        ),
        (
            replace(searched(0.8, 'HARP', 'S2AP', 80.0, 50.0), label='b'),
            r'both fit .* with seed 0; give one of them',
        ),
    ):
        with pytest.raises(ValueError, match=said):
            fill(TABLES['s2ap-1'], [searched(0.8, 'HARP', 'S2AP', 80.0, 50.0), other])


def test_runs_of_other_fields_or_weights_are_no_repeats():
    def trained(seed, load_from='work_dirs/dense-seed{}/epoch_90.pth', **rule):
        recipe = dict(recipe='adasap', target=0.8, rule=dict(type='AdaSAP', **rule))
        settings = dict(robust_prune=recipe, load_from=load_from.format(seed))
        facts = facts_of('resnet50_x_in1k', settings)
        facts |= dict(method='adasap', seed=seed, name='a')
        return Observation(f'seed {seed}', facts, {'clean': Number(70.0 + seed)})

    table = replace(SMALL, columns=(replace(SMALL.columns[0], keys=('clean',)),))
    assert line(fill(table, [trained(0), trained(1)]), 'a') == ['70.50 ± 0.71']
    for other, said in (
        (trained(1, rho_max=3.0), r'robust_prune\.rule\.rho_max 2\.0 and 3\.0'),
        (trained(1, rho_max=3.0, scope='network'), r'scope .layer. and .network.'),
        (trained(1, 'https://a/b.pth'), "start 'dense/epoch_90.pth' and 'a/b.pth'"),
    ):
        with pytest.raises(ValueError, match=f'seed 0 and seed 1 both fit .*{said}'):
            fill(table, [trained(0), other])


def test_a_column_of_different_evaluations_is_refused():
    said = (
        r"'X' would mix x of a-0 \(200 of 10000 images\) and of b-0 \(all images\); "
        'evaluate the runs alike'
    )
    with pytest.raises(ValueError, match=said):
        fill(SMALL, [run('a', under='200 of 10000 images'), run('b')])
    ours = searched(0.8, 'HARP', 'S2AP', 80.0, 50.0)
    ours = replace(
        ours,
        numbers=dict(ours.numbers) | {'autoattack@8/255': Number(50.0, '200 of 10000 images')},
    )
    with pytest.raises(ValueError, match="'HARP' would mix autoattack@8/255 of HARP Orig"):
        fill(TABLES['s2ap-1'], [searched(0.8, 'HARP', 'Orig.', 80.0, 50.0), ours])
    loose = replace(SMALL, columns=(replace(SMALL.columns[0], same=False),))
    assert notes(fill(loose, [run('a', under='gpu'), run('b', under='cpu')])) == ['X: gpu; cpu.']


def test_the_dense_network_stands_beside_measured_speed_ups_of_one_device_only():
    facts = dict(net='resnet50', data='in1k', attack='', config='c')
    latency = LATENCY
    runs = [
        Observation('dense', dict(method='dense', **facts), {'clean': Number(77.0)}),
        run('half', under='cpu', key='speed-up', value=2.0, target=0.5, **latency, **facts),
    ]
    assert line(fill(TABLES['adasap-latency'], runs), 'dense', '0')[0] == '1.00'
    with pytest.raises(
        ValueError, match=r"'Speedup' would mix speed-up of half-0 \(cpu\) and of third-0 \(gpu\)"
    ):
        fill(
            TABLES['adasap-latency'],
            [
                *runs,
                run(
                    'third', under='gpu', key='speed-up', value=3.0, target=0.67, **latency, **facts
                ),
            ],
        )


def test_runs_without_a_place_are_named_or_refused():
    stranger = searched(0.7, 'HARP', 'S2AP', 80.0, 50.0)
    said = (
        'no run fits a cell of .S2AP, Table 1: CIFAR-10.: '
        r'HARP S2AP 0.7 seed 0 \(config .*target 0.7'
    )
    with pytest.raises(ValueError, match=said):
        fill(TABLES['s2ap-1'], [stranger])
    table = fill(TABLES['s2ap-1'], [stranger, searched(0.8, 'HARP', 'S2AP', 80.0, 50.0)])
    assert notes(table)[-1].startswith('Not in this table: HARP S2AP 0.7 seed 0 (config')


def test_a_row_is_repeated_for_every_value_of_its_fact():
    facts = dict(net='resnet50', data='in1k', attack='', config='c', **LATENCY)
    runs = [
        run(name, key='speed-up', value=value, target=target, **facts)
        for name, value, target in (('half', 2.0, 0.5), ('slow', 1.3, 0.25))
    ]
    text = markdown(fill(TABLES['adasap-latency'], runs))
    assert (
        text.index('| AdaSAP_L + ASAM | 0.25 | 1.30') < text.index('| AdaSAP_L + ASAM | 0.5 | 2.00')
        and '| HALP | - | - |' in text
    )


def test_columns_that_no_arm_has_are_left_out_of_the_arms():
    table = fill(
        TABLES['arms'], [run('a[1]', key='clean', value=80.0), run('b', key='params', value=1e6)]
    )
    assert markdown(table).splitlines()[2:6] == [
        '| arm | parameters | clean |',
        '| --- | ---: | ---: |',
        '| a[1] | - | 80.00 |',
        '| b | 1,000,000 | - |',
    ]


def test_an_unknown_table_is_told_the_nearest():
    with pytest.raises(
        ValueError,
        match=r"no table is called 's2ap-14' \(did you mean 's2ap-4'\?\); --table list prints",
    ):
        get_table('s2ap-14')
