"""The tables of S2AP: which run stands where, and which runs have no place."""

import pytest

from mmrobustprune.report.paper import TABLES, fill, markdown
from mmrobustprune.report.paper.facts import facts_of
from mmrobustprune.report.paper.numbers import Number, numbers_of
from mmrobustprune.report.paper.observe import Observation
from mmrobustprune.report.paper.write import heads
from tests.report.paper.runs import line, searched


@pytest.mark.parametrize(
    'name, rows',
    [
        ('s2ap-1', 12),
        ('s2ap-2', 12),
        ('s2ap-3', 3),
        ('s2ap-5', 24),
        ('s2ap-7', 7),
        ('s2ap-8', 24),
        ('s2ap-12', 4),
    ],
)
def test_tables_have_as_many_lines_as_the_papers_cells_ask_for(name, rows):
    assert len(TABLES[name].rows) == rows


def of(numbers, *words, **more):
    """A run as `searched` with these numbers in place of clean and robust accuracy."""
    one = searched(*words, 0.0, 0.0, **more)
    return Observation(one.label, one.facts, {key: Number(value) for key, value in numbers.items()})


def labels(name):
    return [row.labels for row in TABLES[name].rows]


def test_the_heads_of_the_main_table():
    assert heads(fill(TABLES['s2ap-1'], [])) == [
        'network',
        'sparsity',
        'HARP Orig.',
        'HARP S2AP',
        'HARP Δ (terms)',
        'HYDRA Orig.',
        'HYDRA S2AP',
        'HYDRA Δ (terms)',
    ]


def test_rows_go_by_data_network_and_sparsity():
    assert labels('s2ap-1')[:5] == [
        ('ResNet18', '80 %'),
        ('ResNet18', '90 %'),
        ('ResNet18', '95 %'),
        ('ResNet18', '99 %'),
        ('VGG16', '80 %'),
    ]
    assert labels('s2ap-5')[::11] == [
        ('CIFAR-10', 'ResNet18', '80 %'),
        ('CIFAR-10', 'WRN-28-4', '99 %'),
        ('SVHN', 'WRN-28-4', '95 %'),
    ]
    assert labels('s2ap-3') == [('ViT', '20 %'), ('ViT', '40 %'), ('ViT', '50 %')]


def test_a_table_is_of_one_data_set():
    runs = [
        searched(0.8, 'HARP', 'S2AP', 80.0, 50.0),
        searched(0.8, 'HARP', 'S2AP', 70.0, 40.0, data='svhn'),
    ]
    assert line(fill(TABLES['s2ap-1'], runs), 'ResNet18', '80 %')[1] == '80.00/50.00'
    assert line(fill(TABLES['s2ap-2'], runs), 'ResNet18', '80 %')[1] == '70.00/40.00'


def test_channels_and_clean_training_have_tables_of_their_own():
    channel = searched(0.8, 'HARP', 'S2AP', 80.0, 50.0, form='channel')
    plain = searched(0.8, 'HARP', 'S2AP', 95.0, 1.0, attack='')
    weight = searched(0.8, 'HARP', 'S2AP', 81.0, 51.0)
    runs = [channel, plain, weight]
    assert line(fill(TABLES['s2ap-1'], runs), 'ResNet18', '80 %')[1] == '81.00/51.00'
    slim = line(fill(TABLES['s2ap-9'], runs), 'ResNet18', 'HARP', '0.8')
    assert slim == ['-', '-', '-', '80.00/50.00']
    assert line(fill(TABLES['s2ap-10'], runs), 'ResNet18', '80 %', 'HARP') == ['-', '95.00']


def test_fewer_flops_are_those_of_ours_by_mask_and_by_removal():
    both = {'macs ratio': 4.04, 'mask flops ratio': 4.01}
    runs = [
        of({'macs ratio': 9.0}, 0.75, 'HARP', 'Orig.', form='channel'),
        of(both, 0.75, 'HARP', 'S2AP', form='channel'),
        of({'macs ratio': 15.26}, 14 / 15, 'HYDRA', 'S2AP', form='channel'),
    ]
    filled = fill(TABLES['s2ap-9'], runs)
    assert line(filled, 'ResNet18', 'HARP', '0.75')[:2] == ['4.0', '4.0']
    assert line(filled, 'ResNet18', 'HYDRA', '0.933333')[:2] == ['-', '15.3']
    assert line(filled, 'VGG16', 'HARP', '-') == ['-'] * 4


def test_a_row_is_there_for_every_host_that_was_run():
    runs = [
        of({'cifar-10-c@3': value}, 0.9, host, 'S2AP')
        for host, value in (('HYDRA', 70.0), ('HARP', 71.0))
    ]
    filled = fill(TABLES['s2ap-11'], runs)
    assert line(filled, 'ResNet18', '90 %', 'HYDRA') == ['-', '70.00']
    assert line(filled, 'ResNet18', '90 %', 'HARP') == ['-', '71.00']
    assert line(filled, 'ResNet18', '80 %', '-') == ['-', '-']
    assert len(filled.rows) == 12 + 1


def test_the_hours_of_s2ap_are_without_warm_up():
    runs = [
        of({'search hours': 2.0}, 0.9, 'HYDRA', 'Orig.'),
        of({'search hours': 9.0}, 0.9, 'HYDRA', 'S2AP'),
    ]
    filled = fill(TABLES['s2ap-7'], runs)
    assert line(filled, 'CIFAR-10', 'ResNet18', 'HYDRA') == ['2.00', '-', '-']
    assert list(filled.left) == ['HYDRA S2AP 0.9 seed 0']


def test_the_mask_alone_is_not_the_network_that_was_fine_tuned():
    both = {'autoattack@8/255': 50.0, 'mask autoattack@8/255': 31.5}
    runs = [
        of(both, 0.9, 'HARP', 'AWP', awp=True),
        of(both | {'mask autoattack@8/255': 33.0}, 0.9, 'HARP', 'S2AP'),
    ]
    weights = line(fill(TABLES['s2ap-12'], runs), 'ResNet18', '90 %')
    assert weights == ['31.50', '**33.00**', '-', '-']
    masks = line(fill(TABLES['s2ap-5'], runs), 'CIFAR-10', 'ResNet18', '90 %')
    assert masks == ['-', '33.00', '-', '-']


def test_tickets_are_of_rlth_whatever_was_perturbed_after_the_search():
    runs = [
        searched(0.95, 'RLTH', 'Orig.', 70.0, 40.0, recipe='s2ap_rlth', awp=True),
        searched(0.95, 'RLTH', 'S2AP', 71.0, 42.0, awp=False),
        searched(0.95, 'HARP', 'S2AP', 1.0, 1.0),
    ]
    assert line(fill(TABLES['s2ap-8'], runs), 'CIFAR-10', 'ResNet18', '95 %') == [
        '70.00/40.00',
        '**71.00/42.00**',
        '+1.00 (clean +1.00, robust +2.00)',
    ]


def test_dense_networks_are_those_without_a_recipe():
    loss = dict(model=dict(robust_loss=dict(type='TRADES')))
    facts = facts_of('vgg16-bn_8xb16-trades_svhn', loss) | dict(method='dense', seed=0)
    numbers = {'clean': Number(93.0), 'autoattack@8/255': Number(52.5)}
    runs = [Observation('dense', facts, numbers), searched(0.8, 'HARP', 'S2AP', 80.0, 50.0)]
    filled = fill(TABLES['s2ap-6'], runs)
    assert line(filled, 'SVHN', 'VGG16') == ['93.00', '52.50']
    assert line(filled, 'CIFAR-10', 'ResNet18') == ['-', '-']
    assert markdown(filled).count('| CIFAR-10 |') == 4


def test_the_loss_difference_has_a_pair_for_every_radius():
    names = heads(fill(TABLES['s2ap-13'], []))[3:]
    assert names[:2] == ['ρ=0.001 Orig.', 'ρ=0.001 S2AP']
    assert names[2::2] == [f'ρ={rho} Orig.' for rho in ('0.0025', '0.005', '0.0075', '0.01')]


def test_a_search_of_channels_says_both_ratios_and_a_measured_network_goes_first():
    fewer = dict(fewer=dict(flops_of_mask=4.0, macs_of_slim=2.3))
    found = numbers_of([('', 'sparsity', fewer)], 'run')
    assert {key: number.value for key, number in found.items()} == {
        'mask flops ratio': 4.0,
        'macs ratio': 2.3,
    }
    timing = dict(threads=1, device='cpu', precision='float32', batch=1, macs_ratio=2.2)
    found = numbers_of([('', 'sparsity', fewer), ('', 'latency', timing)], 'run')
    assert found['macs ratio'].value == 2.2
    assert numbers_of([('', 'sparsity', dict(removed=0.9))], 'run') == {}


def test_the_loss_difference_of_the_mask_taken_goes_before_that_of_the_last_epoch():
    rows = [dict(rho=0.01, value=0.2)]
    last = dict(records=[dict(loss_difference=[dict(rho=0.01, value=0.3)])])
    taken = dict(
        loss=dict(type='TRADES'),
        images=10,
        split='train',
        spaces=dict(scores=dict(loss_difference=rows)),
    )
    found = numbers_of([('', 'search', last), ('', 'sharpness', taken)], 'run')
    assert found['loss difference@0.01'].value == 0.2


def test_cells_as_they_are_printed():
    """Table 2, WRN-28-4 by HYDRA at 99 %, and Table 13, ResNet18 by HARP at rho = 0.01."""
    runs = [
        searched(0.99, 'HYDRA', arm, *pair, net='wrn-28-4', data='svhn')
        for arm, pair in (('Orig.', (93.05, 31.24)), ('S2AP', (85.80, 42.43)))
    ]
    assert line(fill(TABLES['s2ap-2'], runs), 'WRN-28-4', '99 %')[3:] == [
        '93.05/31.24',
        '**85.80/42.43**',
        '+18.44 (clean −7.25, robust +11.19)',
    ]
    printed = {0.8: (0.2210, 0.2032), 0.9: (0.1694, 0.1598), 0.95: (0.1417, 0.1342)}
    runs = [
        of({'loss difference@0.01': value}, target, 'HARP', arm)
        for target, pair in printed.items()
        for arm, value in zip(('Orig.', 'S2AP'), pair, strict=True)
    ]
    cells = line(fill(TABLES['s2ap-13'], runs), 'ResNet18', '80 %', 'HARP')
    assert cells[-2:] == ['0.2210', '**0.2032**']
