"""The tables of SR-GKP (NeurIPS 2023) as data."""

from __future__ import annotations

from itertools import product

from .layout import Row, Table, TableColumn, Where

# Methods that the paper compares with and that are made elsewhere
OUTSIDE = (
    'CC',
    'DHP',
    'GAL',
    'LRF',
    'NPPM',
    'OTOv2',
    'RAP-ADMM',
)
CIFAR = dict(data='cifar10', attack='')
TINY = dict(data='tiny-imagenet', attack='')
IN1K = dict(data='in1k', attack='')
DENSE = dict(method='dense')
GROUPED = dict(method=('sr_gkp', 'sr_gkp_all', 'tmi_gkp'))
ANY = dict(net='*', data='*', attack='*', config='*')
ALIKE = ('epochs', 'macs sr-gkp', 'macs sr-gkp-vgg', 'macs sr-gkp-imagenet')
NOTE = (
    'Attacks in normalised units, FGSM away from the prediction: --preset sr-gkp of '
    'tools/attack.py; its PGD starts at the image, which the paper does not say. MACs and '
    "parameters by the paper's rule. A run in a row is one checkpoint; "
    'tools/report.py --superscore chooses among many.'
)
ELSEWHERE = "Methods made elsewhere: the runs given as NAME=WORK_DIR under the row's name."


def _attacks(*radii: str, pgd: str) -> tuple[TableColumn, ...]:
    """Clean, FGSM at every radius and PGD; (a), (b), … as the paper counts them."""
    columns = [TableColumn('benign', ('clean',), better='high')]
    for letter, radius in zip('abc', radii, strict=False):
        key = (f'fgsm@{radius} normalised',)
        columns.append(TableColumn(f'FGSM ({letter}) {radius}', key, better='high'))
    columns.append(TableColumn('PGD', (f'pgd@{pgd} normalised',), better='high'))
    return tuple(columns)


def _costs(rule: str) -> tuple[TableColumn, ...]:
    return (
        TableColumn('MACs', (f'macs {rule}',), form=',.0f'),
        TableColumn('parameters', (f'params {rule}',), form=',.0f'),
    )


# of normalised CIFAR images: what it is called -> part of a number's key
RADII = {'FGSM 0.01': 'fgsm@0.01', 'FGSM 0.1': 'fgsm@0.1', 'PGD 8/255': 'pgd@0.0314'}
ON_CIFAR = _attacks('0.01', '0.1', pgd='0.0314')
ON_LARGE = _attacks('0.001', '0.01', '0.1', pgd='0.0157')


def _compared(title: str, net: str, data: Where, target: float, rule: str = 'sr-gkp') -> Table:
    """The dense network, every run at this rate, and the methods made elsewhere."""
    key = f'{net}-p{100 * target:.0f}'
    where = dict(data, net=net)
    rows = (
        Row(('dense',), where | DENSE),
        Row(('{name}',), dict(where, target=target), 'name', key),
        *(Row((name,), ANY | dict(name=f'{name} {key}'), block=key) for name in OUTSIDE),
    )
    columns = ON_CIFAR if data is CIFAR else ON_LARGE
    return Table(
        f'SR-GKP, {title}',
        ('method',),
        (*columns, *_costs(rule)),
        rows,
        note=f'{NOTE} {ELSEWHERE.replace("name.", f"name and network, as CC {key}=WORK_DIR.")}',
        alike=ALIKE,
    )


def _ablation(title: str, nets: tuple[int, ...], arms: dict[str, Where], note: str = '') -> Table:
    """Arms at 43.75 % of CIFAR networks; those of one network compete."""
    rows = tuple(
        Row((f'ResNet-{depth}', arm), dict(where, net=f'resnet{depth}'), block=f'ResNet-{depth}')
        for depth, (arm, where) in product(nets, arms.items())
    )
    return Table(
        f'SR-GKP, {title}',
        ('network', 'arm'),
        (*ON_CIFAR, *_costs('sr-gkp')),
        rows,
        CIFAR | dict(target=0.4375),
        f'{note} {NOTE}'.strip(),
        alike=ALIKE,
    )


def _alphas(number: int, depth: int) -> Table:
    beam = dict(method='sr_gkp', grouping='snaking', search=('beam', 'official'))
    arms = {f'alpha {alpha:g}': dict(beam, alpha=alpha) for alpha in (0.1, 0.25, 0.5, 0.75, 0.9)}
    return _ablation(
        f'Table {number}: weight of the cost in the rank, ResNet-{depth}', (depth,), arms
    )


SNAKING = dict(method='sr_gkp', grouping='snaking')
GREEDY = dict(search=('greedy', 'tmi'))
TABLES = {
    'sr-gkp-1': Table(
        'SR-GKP, Table 1: ResNet-56 on images without their low frequencies',
        ('method',),
        (
            TableColumn('benign', ('clean',)),
            *(
                TableColumn(f'theta {theta:g}', (f'high@{theta:g}',), better='high')
                for theta in (0.3, 0.5, 0.7)
            ),
        ),
        (
            Row(('dense',), DENSE, block='all'),
            Row(('{name}',), dict(target=0.4375), 'name', 'all'),
            *(
                Row((name,), ANY | dict(name=f'{name} resnet56-p44'), block='all')
                for name in OUTSIDE
            ),
        ),
        CIFAR | dict(net='resnet56'),
        f'tools/analyze.py frequency. {ELSEWHERE}',
        alike=('epochs',),
    ),
    'sr-gkp-2': _compared('Table 2: ResNet-56 at 43.75 %', 'resnet56', CIFAR, 0.4375),
    'sr-gkp-4': _compared(
        'Table 4: ResNet-50 on ImageNet, 75 % of the 3x3 kernels',
        'resnet50',
        IN1K,
        0.75,
        'sr-gkp-imagenet',
    ),
    'sr-gkp-5': _ablation(
        'Table 5: ways of grouping filters, under a greedy search',
        (32, 56),
        {
            'TMI clustering': dict(GREEDY, method=GROUPED['method'], grouping='tmi'),
            'snaking': dict(GREEDY, **SNAKING),
        },
    ),
    'sr-gkp-6': _ablation(
        'Table 6: ways of choosing grouped kernels, under snaking',
        (32, 56),
        {
            'greedy': dict(SNAKING, search='greedy'),
            'least smooth removed': dict(SNAKING, search='least_smooth'),
            'smooth beam greedy': dict(SNAKING, search=('beam', 'official')),
        },
    ),
    'sr-gkp-7': Table(
        'SR-GKP, Table 7: smoothness in the choice of filters of SFP',
        ('network', 'run'),
        (*ON_CIFAR, *_costs('sr-gkp')),
        tuple(
            Row((f'ResNet-{depth}', '{name}'), dict(net=f'resnet{depth}'), 'name', f'{depth}')
            for depth in (32, 56)
        ),
        CIFAR | dict(recipe=('sfp', 'smooth_sfp')),
        NOTE,
        alike=ALIKE,
    ),
    'sr-gkp-8': Table(
        'SR-GKP, Table 8: seconds of the removal',
        ('network', 'method'),
        (
            TableColumn('grouping', ('grouping in all',), form='.1f', better='low'),
            TableColumn('grouping and search', ('seconds in all',), form='.1f', better='low'),
        ),
        tuple(
            Row((f'ResNet-{depth}', name), dict(where, net=f'resnet{depth}'), block=f'{depth}')
            for depth, (name, where) in product(
                (32, 56, 110),
                {
                    'TMI-GKP': dict(method='tmi_gkp'),
                    'SR-GKP': dict(SNAKING, search=('beam', 'official')),
                }.items(),
            )
        ),
        CIFAR | dict(target=0.4375),
        'From decisions.json; seconds are of the machine of each run.',
    ),
    'sr-gkp-11': _compared('Table 11: ResNet-32 at 43.75 %', 'resnet32', CIFAR, 0.4375),
    'sr-gkp-12': _compared('Table 12: ResNet-56 at 43.75 %', 'resnet56', CIFAR, 0.4375),
    'sr-gkp-20': Table(
        'SR-GKP, Table 20: HARP on channels under several budgets of training',
        ('run',),
        (*ON_CIFAR, *_costs('sr-gkp')),
        (Row(('{name}',), each='name', block='all'),),
        dict(recipe='s2ap_harp', form='channel'),
        NOTE,
        alike=ALIKE,
    ),
    **{
        f'sr-gkp-{number}': _alphas(number, depth)
        for number, depth in ((21, 32), (22, 56), (23, 110))
    },
    'sr-gkp-resnet110-p44': _compared('ResNet-110 at 43.75 %', 'resnet110', CIFAR, 0.4375),
    **{
        f'sr-gkp-resnet{depth}-p62': _compared(
            f'ResNet-{depth} at 62.5 %', f'resnet{depth}', CIFAR, 0.625
        )
        for depth in (32, 56, 110)
    },
    'sr-gkp-vgg16': _compared('VGG-16-BN at 43.75 %', 'vgg16-bn', CIFAR, 0.4375, 'sr-gkp-vgg'),
    'sr-gkp-tiny-resnet56': _compared(
        'ResNet-56 on Tiny-ImageNet at 37.5 %', 'resnet56', TINY, 0.375
    ),
    'sr-gkp-tiny-resnet101': _compared(
        'ResNet-101 on Tiny-ImageNet, 87.5 % of the 3x3 kernels',
        'resnet101',
        TINY,
        0.875,
        'sr-gkp-imagenet',
    ),
}
