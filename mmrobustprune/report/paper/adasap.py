"""The tables of AdaSAP (arXiv 2306.14306) as data."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from .layout import Row, Table, TableColumn, interval

# name -> what identifies its runs
Arms = Mapping[str, Mapping]

SIZE = TableColumn('Size', ('size',))
SPEED = TableColumn('Speedup', ('speed-up',))
VAL = TableColumn('Val', ('clean',), better='high')
IN_C = TableColumn('IN-C', ('imagenet-c',), better='high')
R_C = TableColumn('R_C', ('R imagenet-c',), better='high')
IN_V2 = TableColumn('IN-V2', ('v2 matched-frequency',), better='high')
R_V2 = TableColumn('R_V2', ('R v2 matched-frequency',), better='high')
IMAGENET = (VAL, IN_V2, R_V2, IN_C, R_C)

PARAMS = dict(budget='params')
PLAIN_SGD = dict(rule='SGD', finetune='SGD')
# The radii of A.5: in weight units, and relative to the weights (with ASAM).
RHO = 'robust_prune.rule.rho'
TO_RHO = 'robust_prune.rule.rho_max'
LAST_RHO = 'robust_prune.finetune_rule.rho'
LAST_TO_RHO = 'robust_prune.finetune_rule.rho_max'
SAM_FIRST = {'rule': 'AdaSAP', TO_RHO: 0.1}
SAM_LAST = {'finetune': 'SAM', LAST_RHO: 0.05}
ASAM_FIRST = {'rule': 'AdaSAP + ASAM', TO_RHO: 2.0}
ASAM_LAST = {'finetune': 'ASAM', LAST_RHO: 2.0}

MAGNITUDE = dict(method='magnitude', **PLAIN_SGD, **PARAMS)
TAYLOR = dict(method='taylor', **PLAIN_SGD, **PARAMS)
SAM = {'method': 'taylor', 'rule': 'SAM', RHO: 0.05, **SAM_LAST, **PARAMS}
ASAM = {'method': 'taylor', 'rule': 'ASAM', RHO: 2.0, **ASAM_LAST, **PARAMS}
OURS = dict(method='adasap', score='Magnitude')
ADASAP_SAM = {**OURS, **SAM_FIRST, **SAM_LAST, **PARAMS}
ADASAP = {**OURS, **ASAM_FIRST, **ASAM_LAST, **PARAMS}
ADASAP_TAYLOR = dict(ADASAP_SAM, score='Taylor')
LATENCY = dict(method='adasap_latency', budget='latency')
ADASAP_L = {**LATENCY, **ASAM_FIRST, **ASAM_LAST}
ADASAP_L_SAM = {**LATENCY, **SAM_FIRST, **SAM_LAST}
HALP = dict(LATENCY, score='HALPTaylor', solver='linearised', **PLAIN_SGD)
DENSE = dict(method='dense')
WHOLE = {'size': 1.0, 'speed-up': 1.0}  # of the dense network, by definition
RESNET50 = dict(net='resnet50', data='in1k', attack='')

# share of the parameters kept -> target
SIZES = {'0.76': 0.24, '0.40': 0.6, '0.20': 0.8}
V1_SIZES = {'0.56': 0.44, '0.52': 0.48, '0.39': 0.61}
V2_SIZES = {'0.88': 0.12, '0.72': 0.28}
# times as fast -> target
V1_SPEEDS = {'1.70x': 1 - 1 / 1.70, '2.33x': 1 - 1 / 2.33}
V2_SPEEDS = {'1.39x': 1 - 1 / 1.39, '1.81x': 1 - 1 / 1.81}

WITHOUT = 'Without ASAM: radii from 0.01 to 0.1 in units of the weights, then SAM of 0.05.'
WITH = 'With ASAM: radii from 0.01 to 2.0 relative to the weights, then ASAM of 2.0.'


def _dense(*labels: str, **where) -> Row:
    return Row(labels, dict(DENSE, **where), known=WHOLE)


def _sized(arms: Arms, sizes: Mapping[str, float] = SIZES) -> tuple[Row, ...]:
    """The dense network, then for every size every arm; the arms of one size compete."""
    return (_dense('dense', '1'), *_pruned(arms, sizes))


def _pruned(arms: Arms, sizes: Mapping[str, float] = SIZES, part: str = '') -> tuple[Row, ...]:
    """For every size every arm; the arms of one size and part compete."""
    rows = []
    for (size, target), (name, where) in product(sizes.items(), arms.items()):
        rows.append(Row((name, size), dict(where, target=target), block=f'{part} {size}'.strip()))
    return tuple(rows)


def _any_target(arms: Arms) -> tuple[Row, ...]:
    """The dense network, then every arm once per target that was run; those of one compete."""
    rows = []
    for name, where in arms.items():
        block = f'{where["budget"]} {{target}}'
        rows.append(Row((name, '{target}'), where, 'target', block))
    return (_dense('dense', '0'), *rows)


def _mobilenet(shown: str, net: str, arms: Arms, sizes: Mapping[str, float]) -> tuple[Row, ...]:
    """A dense network, then for every size every arm; the arms of one size compete."""
    rows = [_dense(shown, 'dense', '1', net=net)]
    for row in _pruned(arms, sizes, shown):
        name, size = row.labels
        rows.append(Row((shown, name, size), dict(row.where, net=net), block=row.block))
    return tuple(rows)


CLASSIFIER_ARMS = {
    'Magnitude': MAGNITUDE,
    'Taylor': TAYLOR,
    'SAM': SAM,
    'SAM + ASAM': ASAM,
    'AdaSAP_P': ADASAP_SAM,
    'AdaSAP_P + ASAM': ADASAP,
}
FOUR_ARMS = {'Taylor': TAYLOR, 'Mag': MAGNITUDE, 'SAM': SAM, 'AdaSAP_P': ADASAP_SAM}
LATENCY_ARMS = {'HALP': HALP, 'AdaSAP_L + ASAM': ADASAP_L, 'AdaSAP_L': ADASAP_L_SAM}
DETECTOR_ARMS = {
    'Magnitude': MAGNITUDE,
    'Taylor': TAYLOR,
    'AdaSAP_P + ASAM': ADASAP,
    **LATENCY_ARMS,
}
RANKING_ARMS = {'Taylor': TAYLOR, 'AdaSAP_P,Taylor': ADASAP_TAYLOR, 'AdaSAP_P': ADASAP_SAM}
BY_PARAMETERS = {'Taylor': TAYLOR, 'AdaSAP_P': ADASAP_SAM}
BY_LATENCY = {'HALP': HALP, 'AdaSAP_L': ADASAP_L_SAM}
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
        _any_target(LATENCY_ARMS),
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
        ('network', 'method', 'kept'),
        (SIZE, *IMAGENET),
        (
            *_mobilenet('MobileNetV1', 'mobilenet-v1', BY_PARAMETERS, V1_SIZES),
            *_mobilenet('MobileNetV2', 'mobilenet-v2', BY_PARAMETERS, V2_SIZES),
        ),
        dict(data='in1k'),
        WITHOUT,
    ),
    'adasap-9': Table(
        'AdaSAP, Table 9: MobileNets by latency',
        ('network', 'method', 'speed-up asked'),
        (SPEED, *IMAGENET),
        (
            *_mobilenet('MobileNetV1', 'mobilenet-v1', BY_LATENCY, V1_SPEEDS),
            Row(('MobileNetV1', '0.75x MobileNetV1', '-'), dict(DENSE, net='mobilenet-v1-x0.75')),
            *_mobilenet('MobileNetV2', 'mobilenet-v2', BY_LATENCY, V2_SPEEDS),
        ),
        dict(data='in1k'),
        f'{WITHOUT} The narrower network is timed beside the whole one '
        '(tools/analyze.py latency --against).',
    ),
    'adasap-10': Table(
        'AdaSAP, Table 10: what ranks the neurons',
        ('method', 'kept'),
        (SIZE, *IMAGENET),
        _pruned(RANKING_ARMS, {'0.76': 0.24, '0.42': 0.58}),
        RESNET50,
        f'{WITHOUT} Targets 0.24 and 0.58; the printed sizes differ by method (0.41 to 0.43).',
    ),
    'adasap-11': Table(
        'AdaSAP, Table 11: repeats',
        ('method', 'kept'),
        (SIZE, *IMAGENET, *map(interval, ('Val', 'IN-V2', 'IN-C'))),
        _sized({'Magnitude': MAGNITUDE, 'Taylor': TAYLOR, 'AdaSAP_P + ASAM': ADASAP}),
        RESNET50,
        f'{WITH} 95 %: the mean and its interval by t of the runs less one (4.303 of three).',
    ),
    'adasap-12': Table(
        'AdaSAP, Table 12: before and after the removal',
        ('method', 'kept'),
        (
            TableColumn('loss before', ('val loss before',), form='.3f'),
            TableColumn('loss after', ('val loss after',), form='.3f', better='low'),
            TableColumn('Val before', ('metric before',)),
            TableColumn('Val after', ('metric after',), better='high'),
            TableColumn('Val recalibrated', ('metric recalibrated',), better='high'),
        ),
        _pruned(FOUR_ARMS),
        RESNET50,
        'Before the first round of removal and after the last, in evaluation mode over the '
        'validation set; recalibrated: with BatchNorm statistics computed anew, which the paper '
        f'does not name. {WITHOUT}',
    ),
    'adasap-13': Table(
        'AdaSAP, Table 13: length of the first phase',
        ('epochs',),
        (SIZE, *IMAGENET),
        tuple(Row((f'{length:g}',), dict(warmup=length), block='all') for length in WARMUPS),
        {
            **RESNET50,
            **OURS,
            'rule': ('AdaSAP', 'AdaSAP + ASAM'),
            'finetune': ('SAM', 'ASAM'),
            'budget': 'channels',
        },
        'A fraction of the channels goes, as in A.4, so that the size follows. The paper names '
        'neither the fraction nor whether ASAM is on; one choice holds for all rows.',
    ),
    'adasap-14': Table(
        'AdaSAP, Table 14: perturbation in the third phase',
        ('third phase',),
        (SIZE, *IMAGENET),
        tuple(
            Row((name,), where, block='all')
            for name, where in (
                ('none', dict(finetune='SGD')),
                ('adaptive', {'finetune': 'AdaSAP', LAST_TO_RHO: 0.1}),
                ('uniform', SAM_LAST),
            )
        ),
        {**RESNET50, **OURS, **SAM_FIRST, **PARAMS, 'target': 0.8},
        WITHOUT,
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
