"""SR-GKP's tables: who stands where, what it is compared with, and what is not alike."""

import pytest

from mmrobustprune.report.paper import TABLES, fill, notes, shipped, srgkp
from mmrobustprune.report.paper.facts import facts_of
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from tests.report.paper.runs import line

KEYS = ('clean', 'fgsm@0.01 normalised', 'fgsm@0.1 normalised', 'pgd@0.0314 normalised')


def trained(name, numbers, net='resnet56', macs=71_854_730, epochs=300, **recipe):
    """A run with the four numbers of a row."""
    settings = dict(robust_prune=dict(target=0.4375, **recipe)) if recipe else {}
    facts = facts_of(f'{net}_1xb64-{name}_cifar10', settings)
    facts |= dict(method=facts['recipe'] or 'dense', name=name, seed=0)
    found = dict(zip(KEYS, map(Number, numbers), strict=True))
    found |= {'macs sr-gkp': Number(macs), 'params sr-gkp': Number(482_074)}
    return Observation(name, facts, found | {'epochs': Number(epochs)})


# as printed
DENSE = trained('dense', (93.24, 75.15, 39.64, 42.58), macs=126_560_906)
OURS = trained('ours', (94.08, 76.40, 45.17, 44.85), recipe='sr_gkp', search='official')
TMI = trained('tmi', (93.95, 75.88, 44.09, 44.51), recipe='tmi_gkp', snapshots=('epoch_*.pth',))


def test_a_table_of_one_network():
    filled = fill(TABLES['sr-gkp-2'], [DENSE, OURS, TMI])
    costs = ['71,854,730', '482,074']
    bold = ['**94.08**', '**76.40**', '**45.17**', '**44.85**']
    assert line(filled, 'ours') == bold + costs
    assert line(filled, 'tmi') == ['93.95', '75.88', '44.09', '44.51', *costs]
    assert line(filled, 'dense')[:2] == ['93.24', '75.15'] and line(filled, 'CC') == ['-'] * 6
    assert not [note for note in notes(filled) if 'fair' in note]  # the dense one competes not


def test_unequal_epochs_are_marked():
    longer = trained('tmi', (95.0, 75.88, 44.09, 44.51), epochs=600, recipe='sr_gkp')
    said = notes(fill(TABLES['sr-gkp-2'], [OURS, longer]))
    assert 'Not a fair comparison, resnet56-p44 differs in epochs: ours 300, tmi 600.' in said


@pytest.mark.parametrize(
    'table, labels, fields',
    [
        ('sr-gkp-5', ('ResNet-56', 'snaking'), dict(search='greedy')),
        ('sr-gkp-6', ('ResNet-56', 'least smooth removed'), dict(search='least_smooth')),
        ('sr-gkp-6', ('ResNet-56', 'smooth beam greedy'), dict(search='official')),
        ('sr-gkp-22', ('ResNet-56', 'alpha 0.75'), dict(search=dict(type='official', alpha=0.75))),
    ],
)
def test_an_arm_of_an_ablation_has_its_row(table, labels, fields):
    arm = trained('arm', (93.0, 75.0, 44.0, 43.0), recipe='sr_gkp', **fields)
    filled = fill(TABLES[table], [arm])
    assert line(filled, *labels)[:4] == ['93.00', '75.00', '44.00', '43.00']
    assert sum(any(cells) for cells in filled.cells.values()) == 6  # and no other


def test_what_is_printed_goes_beside_what_was_run():
    """The rows at hand; a superscore is printed as such and competes."""
    table = TABLES['sr-gkp-2']
    filled = fill(table, [OURS], cited=shipped('sr-gkp-2', table))
    assert line(filled, 'dense')[:4] == ['93.24', '75.15', '39.64', '42.58']
    assert line(filled, 'SR-GKP (superscore)')[:2] == ['**94.08**', '**76.40**']
    assert line(filled, 'RAP-ADMM')[:4] == ['-', '-', '-', '**61.15**']


@pytest.mark.parametrize('name', srgkp.TABLES)
def test_every_row_that_is_shipped_fits_its_table(name):
    rows = shipped(name, TABLES[name])
    assert fill(TABLES[name], [], cited=rows).cited == tuple(', '.join(row.labels) for row in rows)


def test_a_method_made_elsewhere_comes_by_the_rows_name():
    facts = dict(
        net='', config='', data='', attack='', name='CC resnet56-p44', method='CC', seed=None
    )
    found = Observation('cc', facts, {'clean': Number(93.87)})
    assert line(fill(TABLES['sr-gkp-12'], [found]), 'CC')[0] == '93.87'
