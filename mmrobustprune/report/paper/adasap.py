"""The tables of AdaSAP (arXiv 2306.14306) as data."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from .layout import Row, Table, TableColumn

# name -> what identifies its runs; None is a method that is not built in
Arms = Mapping[str, Mapping | None]

SIZE = TableColumn('Size', ('size',))
SPEED = TableColumn('Speedup', ('speed-up',))
VAL = TableColumn('Val', ('clean',), better='high')
IN_C = TableColumn('IN-C', ('imagenet-c',), better='high')
R_C = TableColumn('R_C', ('R imagenet-c',), better='high')
IN_V2 = TableColumn('IN-V2', ('v2 matched-frequency',), better='high')
R_V2 = TableColumn('R_V2', ('R v2 matched-frequency',), better='high')
IMAGENET = (VAL, IN_V2, R_V2, IN_C, R_C)

# ResNet-50: share of the parameters kept -> target
SIZES = {'0.76': 0.24, '0.40': 0.6, '0.20': 0.8}
PARAMS = dict(budget='params')
PLAIN_SGD = dict(rule='SGD', finetune='SGD')
MAGNITUDE = dict(method='magnitude', **PLAIN_SGD, **PARAMS)
TAYLOR = dict(method='taylor', **PLAIN_SGD, **PARAMS)
SAM = dict(method='taylor', rule='SAM', finetune='SAM', **PARAMS)
ASAM = dict(method='taylor', rule='ASAM', finetune='ASAM', **PARAMS)
ADASAP_SAM = dict(method='adasap', score='Magnitude', rule='AdaSAP', finetune='SAM', **PARAMS)
ADASAP = dict(method='adasap', score='Magnitude', rule='AdaSAP + ASAM', finetune='ASAM', **PARAMS)
ADASAP_TAYLOR = dict(
    method='adasap', score='Taylor', rule='AdaSAP + ASAM', finetune='ASAM', **PARAMS
)
ADASAP_L = dict(method='adasap_latency', budget='latency', rule='AdaSAP + ASAM', finetune='ASAM')
HALP = dict(ADASAP_L, score='HALPTaylor', solver='linearised', **PLAIN_SGD)
DENSE = dict(method='dense')
RESNET50 = dict(net='resnet50', data='in1k', attack='')
# of a network made elsewhere nothing but its name is known
ANY = dict(net='*', data='*', attack='*', config='*')
OUTSIDE = (
    "Methods that are not built in: the runs given as NAME=WORK_DIR under the row's name, "
    "as 'EagleEye {}=WORK_DIR'."
)

SCALED = 'AdaSAP as the recipe has it, with ASAM.'


def _sized(arms: Arms, sizes: Mapping[str, float] = SIZES) -> tuple[Row, ...]:
    """The dense network, then for every size every arm; the arms of one size compete."""
    return (Row(('dense', '1'), DENSE), *_pruned(arms, sizes))


def _pruned(arms: Arms, sizes: Mapping[str, float] = SIZES, part: str = '') -> tuple[Row, ...]:
    """For every size every arm; the arms of one size and part compete."""
    rows = []
    for (size, target), (name, where) in product(sizes.items(), arms.items()):
        facts = _elsewhere(name, size) if where is None else dict(where, target=target)
        rows.append(Row((name, size), facts, block=f'{part} {size}'.strip()))
    return tuple(rows)


def _any_target(arms: Arms) -> tuple[Row, ...]:
    """The dense network, then every arm once per target that was run; all compete."""
    rows = [Row((name, '{target}'), where, 'target', 'pruned') for name, where in arms.items()]
    return (Row(('dense', '0'), DENSE), *rows)


def _mobilenet(nets: Mapping[str, tuple[str, Arms]]) -> tuple[Row, ...]:
    """Per network the dense one and its arms, once per budget."""
    rows = []
    for shown, (net, arms) in nets.items():
        rows.append(Row((shown, 'dense', '0'), dict(DENSE, net=net)))
        rows += [_arm(shown, net, name, where) for name, where in arms.items()]
    return tuple(rows)


def _arm(shown: str, net: str, name: str, where: Mapping | None) -> Row:
    if where is None:
        return Row((shown, name, ''), _elsewhere(name, shown), block=shown)
    if 'budget' not in where:
        return Row((shown, name, ''), {'net': net, **where}, block=shown)
    return Row((shown, name, '{target}'), {'net': net, **where}, 'target', shown)


def _elsewhere(name: str, which: str) -> dict:
    return dict(ANY, method=f'{name} {which}')


def _latency(*elsewhere: str) -> dict[str, Mapping | None]:
    return {'HALP': HALP, **dict.fromkeys(elsewhere), 'AdaSAP_L': ADASAP_L}


CLASSIFIER_ARMS = {
    'Magnitude': MAGNITUDE,
    'Taylor': TAYLOR,
    'SAM': SAM,
    'SAM + ASAM': ASAM,
    'AdaSAP_P': ADASAP_SAM,
    'AdaSAP_P + ASAM': ADASAP,
}
FOUR_ARMS = {
    'Taylor, SGD': TAYLOR,
    'Taylor, SAM': SAM,
    'Taylor, SAM + ASAM': ASAM,
    'AdaSAP_P + ASAM': ADASAP,
}
DETECTOR_ARMS = {
    'Magnitude': MAGNITUDE,
    'Taylor': TAYLOR,
    'AdaSAP_P + ASAM': ADASAP,
    **_latency(),
}
RANKING_ARMS = {'Taylor, SGD': TAYLOR, 'AdaSAP_P,Taylor': ADASAP_TAYLOR, 'AdaSAP_P': ADASAP}
VARIANTS = tuple(
    TableColumn(f'V2 {name}', (f'v2 {variant}',), better='high')
    for name, variant in (
        ('matched frequency', 'matched-frequency'),
        ('threshold 0.7', 'threshold-0.7'),
        ('top images', 'top-images'),
    )
)
WARMUPS = (5.0, 10.0, 20.0, 30.0)
VOC = (
    TableColumn('AP50', ('clean',), better='high'),
    TableColumn('VOC-C', ('voc-c',), better='high'),
    TableColumn('R_C', ('R voc-c',), better='high'),
)

TABLES = {
    'adasap-classifiers': Table(
        'AdaSAP: ResNet-50 on ImageNet, every method at every size',
        ('method', 'kept'),
        (SIZE, *IMAGENET),
        _sized(CLASSIFIER_ARMS),
        RESNET50,
    ),
    'adasap-latency': Table(
        'AdaSAP: ResNet-50 on ImageNet under a latency budget',
        ('method', 'time removed'),
        (SPEED, *IMAGENET),
        _any_target(_latency()),
        RESNET50,
        'Speedup: time of the dense network / of the pruned one, measured on one device.',
    ),
    'adasap-detectors': Table(
        'AdaSAP: SSD512 with ResNet-50 on Pascal VOC',
        ('method', 'removed'),
        (SIZE, SPEED, *VOC),
        _any_target(DETECTOR_ARMS),
        dict(config='ssd512_r50*', data='voc0712'),
        'AP50 in per cent; VOC-C: the mean over what was run.',
    ),
    'adasap-7': Table(
        'AdaSAP, Table 7: three variants of ImageNet-V2, without ASAM',
        ('method', 'kept'),
        (SIZE, VAL, *VARIANTS),
        _sized({'Taylor': TAYLOR, 'AdaSAP_P': ADASAP_SAM}),
        RESNET50,
    ),
    'adasap-8': Table(
        'AdaSAP, Table 8: MobileNets by parameters',
        ('network', 'method', 'removed'),
        (SIZE, *IMAGENET),
        _mobilenet(
            {
                'MobileNetV1': (
                    'mobilenet-v1',
                    {'Taylor': TAYLOR, 'EagleEye': None, 'PolarReg': None, 'AdaSAP_P': ADASAP},
                ),
                'MobileNetV2': (
                    'mobilenet-v2',
                    {'Taylor': TAYLOR, 'EagleEye': None, 'PolarReg': None, 'AdaSAP_P': ADASAP},
                ),
            }
        ),
        dict(data='in1k'),
        OUTSIDE.format('MobileNetV1'),
    ),
    'adasap-9': Table(
        'AdaSAP, Table 9: MobileNets by latency',
        ('network', 'method', 'time removed'),
        (SPEED, *IMAGENET),
        _mobilenet(
            {
                'MobileNetV1': (
                    'mobilenet-v1',
                    {
                        '0.75x MobileNetV1': dict(DENSE, net='mobilenet-v1-x0.75'),
                        **_latency('MetaPruning', 'AutoSlim', 'SMCP', 'AMC', 'EagleEye'),
                    },
                ),
                'MobileNetV2': (
                    'mobilenet-v2',
                    _latency('MetaPruning', 'AutoSlim', 'SMCP', 'AMC', 'EagleEye'),
                ),
            }
        ),
        dict(data='in1k'),
        OUTSIDE.format('MobileNetV1'),
    ),
    'adasap-10': Table(
        'AdaSAP, Table 10: what ranks the neurons',
        ('method', 'kept'),
        (SIZE, *IMAGENET),
        _pruned(RANKING_ARMS, {'0.76': 0.24, '0.42': 0.6}),
        RESNET50,
        'Targets 0.24 and 0.6; the printed sizes differ by method (0.41 to 0.43). ' + SCALED,
    ),
    'adasap-11': Table(
        'AdaSAP, Table 11: repeats',
        ('method', 'kept'),
        (SIZE, *IMAGENET),
        _sized(
            {'Magnitude': MAGNITUDE, 'Taylor': TAYLOR, 'EagleEye': None, 'AdaSAP_P + ASAM': ADASAP}
        ),
        RESNET50,
        OUTSIDE.format('0.76'),
    ),
    'adasap-12': Table(
        'AdaSAP, Table 12: before and after the removal',
        ('method', 'kept'),
        (
            TableColumn('loss before', ('loss before',), form='.3f'),
            TableColumn('loss after', ('loss after',), form='.3f', better='low'),
            TableColumn('Val before', ('metric before',)),
            TableColumn('Val after', ('metric after',), better='high'),
            TableColumn('Val recalibrated', ('metric recalibrated',), better='high'),
        ),
        _pruned(FOUR_ARMS),
        RESNET50,
        'Before the first round of removal and after the last; loss of a training batch, '
        'Val of the validation set; recalibrated: with BatchNorm statistics computed anew, which '
        'the paper does not name. ' + SCALED,
    ),
    'adasap-13': Table(
        'AdaSAP, Table 13: length of the first phase',
        ('epochs',),
        (SIZE, *IMAGENET),
        tuple(Row((f'{length:g}',), dict(warmup=length), block='all') for length in WARMUPS),
        RESNET50 | ADASAP | dict(target=0.54),
        SCALED,
    ),
    'adasap-14': Table(
        'AdaSAP, Table 14: perturbation in the third phase',
        ('third phase',),
        (SIZE, *IMAGENET),
        tuple(
            Row((name,), dict(finetune=rule), block='all')
            for name, rule in (('none', 'SGD'), ('adaptive', 'AdaSAP + ASAM'), ('uniform', 'ASAM'))
        ),
        RESNET50 | dict(ADASAP, target=0.8, finetune='*'),
        SCALED,
    ),
    'adasap-15': Table(
        'AdaSAP, Table 15: SGD, SAM and AdaSAP, with and without ASAM',
        ('method', 'kept'),
        (SIZE, *IMAGENET),
        (
            *_pruned({'SGD': TAYLOR, 'SAM': SAM, 'AdaSAP_P': ADASAP_SAM}, part='without ASAM'),
            *_pruned({'SAM + ASAM': ASAM, 'AdaSAP_P + ASAM': ADASAP}, part='with ASAM'),
        ),
        RESNET50,
    ),
}
