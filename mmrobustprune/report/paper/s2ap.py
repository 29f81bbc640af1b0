"""The tables of S2AP (ICLR 2026 submission) as data."""

from __future__ import annotations

from itertools import chain, product

from .layout import ROBUST, Row, Table, TableColumn, delta, overhead

NETS = {'ResNet18': 'resnet18', 'VGG16': 'vgg16-bn', 'WRN-28-4': 'wrn-28-4'}
DATA = {'CIFAR-10': 'cifar10', 'SVHN': 'svhn'}
HOSTS = ('HARP', 'HYDRA')
SPARSITY = (0.8, 0.9, 0.95, 0.99)
RHO = (0.001, 0.0025, 0.005, 0.0075, 0.01)
ORIGINAL = dict(search='Orig.', awp=False)  # fine-tuned without perturbation
OURS = dict(search='S2AP', awp=True)
WEIGHTS = dict(form='weight')
ATTACKED = dict(attack='?*')
CLEAN_ROBUST = ('clean', ROBUST)
MASK_ROBUST = (f'mask {ROBUST}',)


def _pair(
    keys: tuple[str, ...],
    group: str = '',
    better: str = 'high',
    form: str = '.2f',
    arms: dict | None = None,
    **where,
) -> tuple[TableColumn, ...]:
    """Two columns that compete row by row; with a group they are of that host."""
    host = dict(host=group) if group in HOSTS else {}
    return tuple(
        TableColumn(title, keys, {**arm, **host, **where}, group, form, better, group or 'pair')
        for title, arm in (arms or {'Orig.': ORIGINAL, 'S2AP': OURS}).items()
    )


def _hosts(keys: tuple[str, ...], with_delta: bool = False, hosts=HOSTS, **options) -> tuple:
    columns = []
    for host in hosts:
        columns += _pair(keys, host, **options)
        if with_delta:
            columns.append(delta(host))
    return tuple(columns)


def _rows(nets: dict, data: dict, sparsity=SPARSITY, by_host: bool = False) -> tuple[Row, ...]:
    """Data set (where there are several), network and sparsity.

    With `by_host` there is one row per host that was run.
    """
    rows = []
    for (shown, name), (net, pattern), target in product(data.items(), nets.items(), sparsity):
        labels = [net, f'{100 * target:g} %']
        where = dict(data=name, net=pattern, target=target)
        if len(data) > 1:
            labels.insert(0, shown)
        if by_host:
            labels.append('{host}')
            where['host'] = HOSTS
        rows.append(Row(tuple(labels), where, 'host' if by_host else ''))
    return tuple(rows)


def _main(title: str, data: dict, **where) -> Table:
    return Table(
        title,
        ('network', 'sparsity'),
        _hosts(CLEAN_ROBUST, True),
        _rows(NETS, data),
        WEIGHTS | ATTACKED | where,
        'Cells: clean/robust accuracy in per cent; Δ = (clean - robust) of Orig. less that of '
        'S2AP, which can be positive because clean accuracy fell.',
    )


TABLES = {
    's2ap-1': _main('S2AP, Table 1: CIFAR-10', {'CIFAR-10': 'cifar10'}),
    's2ap-2': _main('S2AP, Table 2: SVHN', {'SVHN': 'svhn'}),
    's2ap-3': Table(
        'S2AP, Table 3: ViT pruned by HYDRA',
        ('network', 'sparsity'),
        _hosts(CLEAN_ROBUST, hosts=('HYDRA',)),
        _rows({'ViT': 'vit-small-p4'}, {'CIFAR-10': 'cifar10'}, (0.2, 0.4, 0.5)),
        WEIGHTS | ATTACKED,
        'Cells: clean/robust accuracy in per cent. '
        'Sparsities of the printed table; the text says 20, 40 and 60 %.',
    ),
    's2ap-4': Table(
        'S2AP, Table 4: ResNet50 on ImageNet',
        ('network', 'sparsity'),
        _hosts(CLEAN_ROBUST),
        _rows({'ResNet50': 'resnet50'}, {'ImageNet': 'in1k'}),
        WEIGHTS | ATTACKED,
        'Cells: clean/robust accuracy in per cent.',
    ),
    's2ap-5': Table(
        'S2AP, Table 5: robust accuracy of the mask alone, before fine-tuning',
        ('data', 'network', 'sparsity'),
        _hosts(MASK_ROBUST),
        _rows(NETS, DATA),
        WEIGHTS | ATTACKED,
        'Evaluations in folders mask* of the work dirs.',
    ),
    's2ap-6': Table(
        'S2AP, Table 6: dense networks',
        ('data', 'network'),
        (TableColumn('clean', ('clean',)), TableColumn('robust', (ROBUST,))),
        (
            *(
                Row((shown, net), dict(data=name, net=pattern))
                for (shown, name), (net, pattern) in product(DATA.items(), NETS.items())
            ),
            Row(('CIFAR-10', 'ViT'), dict(data='cifar10', net='vit-small-p4')),
            Row(('ImageNet', 'ResNet50'), dict(data='in1k', net='resnet50')),
        ),
        dict(recipe='') | ATTACKED,
    ),
    's2ap-7': Table(
        'S2AP, Table 7: hours of the search',
        ('data', 'network', 'host'),
        (
            *_pair(
                ('search hours',),
                better='',
                arms={'Orig.': ORIGINAL, 'S2AP': dict(OURS, warmup=False)},
            ),
            overhead(),
        ),
        (
            *(
                Row((shown, net, '{host}'), dict(data=name, net=pattern, host=HOSTS), 'host')
                for (shown, name), (net, pattern) in product(DATA.items(), NETS.items())
            ),
            Row(
                ('ImageNet', 'ResNet50', '{host}'),
                dict(data='in1k', net='resnet50', host=HOSTS),
                'host',
            ),
        ),
        WEIGHTS | ATTACKED,
        'S2AP without warm-up. Overhead: (S2AP - Orig.) / Orig.; '
        'six of the seven printed rows divide by the time of S2AP.',
    ),
    's2ap-8': Table(
        'S2AP, Table 8: robust lottery tickets (RLTH)',
        ('data', 'network', 'sparsity'),
        (
            *_pair(
                CLEAN_ROBUST,
                arms={'Orig.': dict(search='Orig.'), 'S2AP': dict(search='S2AP')},
                host='RLTH',
            ),
            delta(),
        ),
        _rows(NETS, DATA),
        WEIGHTS | ATTACKED,
        'Cells: clean/robust accuracy in per cent; nothing is fine-tuned.',
    ),
    's2ap-9': Table(
        'S2AP, Table 9: channels',
        ('network', 'host', 'removed'),
        (
            TableColumn('FLOPs fewer, mask', ('mask flops ratio',), OURS, form='.1f'),
            TableColumn('MACs fewer, slim', ('macs ratio',), OURS, form='.1f'),
            *_pair(CLEAN_ROBUST),
        ),
        tuple(
            Row((net, host, '{target}'), dict(net=NETS[net], host=host), 'target')
            for net, host in product(('ResNet18', 'VGG16'), HOSTS)
        ),
        dict(form='channel', data='cifar10') | ATTACKED,
        "The paper's rows are at 4 and 15 times fewer FLOPs (removed 0.75 and 0.933 with "
        "budget='flops'). Mask: every layer counted by itself; slim: the network really made "
        'smaller, which is as small where the readers of a sum share their choice '
        "(streams='tied'). Cells: clean/robust accuracy in per cent.",
    ),
    's2ap-10': Table(
        'S2AP, Table 10: pruning for clean accuracy',
        ('network', 'sparsity', 'host'),
        _pair(('clean',)),
        _rows(NETS, {'CIFAR-10': 'cifar10'}, by_host=True),
        WEIGHTS | dict(attack=''),
    ),
    's2ap-11': Table(
        'S2AP, Table 11: CIFAR-10-C at severity 3',
        ('network', 'sparsity', 'host'),
        _pair(('cifar-10-c@3',)),
        _rows(NETS, {'CIFAR-10': 'cifar10'}, by_host=True),
        WEIGHTS | ATTACKED,
    ),
    's2ap-12': Table(
        'S2AP, Table 12: weights (AWP) or scores (S2AP) perturbed in the search',
        ('network', 'sparsity'),
        _hosts(MASK_ROBUST, arms={'AWP': dict(search='AWP'), 'S2AP': OURS}),
        _rows({'ResNet18': 'resnet18'}, {'CIFAR-10': 'cifar10'}),
        WEIGHTS | ATTACKED,
        'Robust accuracy of the mask alone; evaluations in folders mask* of the work dirs.',
    ),
    's2ap-13': Table(
        'S2AP, Table 13: sharpness, the loss difference',
        ('network', 'sparsity', 'host'),
        tuple(
            chain.from_iterable(
                _pair((f'loss difference@{rho:g}',), f'ρ={rho:g}', 'low', '.4f') for rho in RHO
            )
        ),
        _rows(NETS, {'CIFAR-10': 'cifar10'}, by_host=True),
        WEIGHTS | ATTACKED,
    ),
}
