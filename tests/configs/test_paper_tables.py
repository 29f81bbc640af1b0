"""Ready configs stand where the papers' tables have them."""

from itertools import product
from pathlib import Path

import pytest

from mmrobustprune.report.paper import TABLES, TableColumn
from mmrobustprune.report.paper.facts import facts_of, fits

CONFIGS = Path(__file__).parents[2] / 'configs'


SWEPT = ('target', 'search', 'awp', 'warmup')  # of S2AP: by --cfg-options, as its page says


def places(facts):
    """(table, labels) of the rows that have a cell for such a run."""
    found = set()
    for name, table in TABLES.items():
        columns = [column for column in table.columns if isinstance(column, TableColumn)]
        for row, column in product(table.rows, columns):
            if fits(facts, {**table.where, **row.where, **column.where}):
                found.add((name, row.labels))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, wanted',
    [
        (
            'adasap/resnet50_8xb128-90e_in1k',
            {('adasap-7', ('dense', '1')), ('adasap-11', ('dense', '1'))},
        ),
        (
            'adasap/resnet50_8xb128-adasap-sam-p80_in1k',
            {
                ('adasap-7', ('AdaSAP_P', '0.20')),
                ('adasap-14', ('uniform',)),
                ('adasap-15', ('AdaSAP_P', '0.20')),
            },
        ),
        ('adasap/resnet50_8xb128-asam-p24_in1k', {('adasap-15', ('SAM + ASAM', '0.76'))}),
        (
            'adasap/resnet50_8xb128-adasap-sam-taylor-p58_in1k',
            {('adasap-10', ('AdaSAP_P,Taylor', '0.42'))},
        ),
        (
            'adasap/resnet50_8xb128-adasap-sam-p24_in1k',
            {('adasap-10', ('AdaSAP_P', '0.76')), ('adasap-12', ('AdaSAP_P', '0.76'))},
        ),
        ('adasap/resnet50_8xb128-magnitude-p80_in1k', {('adasap-12', ('Mag', '0.20'))}),
        ('adasap/resnet50_8xb128-adasap-sam-c32-warmup5_in1k', {('adasap-13', ('5',))}),
        ('adasap/resnet50_8xb128-adasap-sam-p80-finetune-sgd_in1k', {('adasap-14', ('none',))}),
        (
            'adasap/resnet50_8xb128-adasap-sam-p80-finetune-adasap_in1k',
            {('adasap-14', ('adaptive',))},
        ),
        (
            'adasap/mobilenet-v2_8xb128-adasap-sam-p28_in1k',
            {('adasap-8', ('MobileNetV2', 'AdaSAP_P', '0.72'))},
        ),
        (
            'adasap/mobilenet-v1_8xb128-halp-latency-2.33x_in1k',
            {('adasap-9', ('MobileNetV1', 'HALP', '2.33x'))},
        ),
        (
            'adasap/mobilenet-v1-x0.75_8xb128-90e_in1k',
            {('adasap-9', ('MobileNetV1', '0.75x MobileNetV1', '-'))},
        ),
        (
            'adasap/ssd512_r50-adasap-p50_voc0712',
            {('adasap-detectors', ('AdaSAP_P + ASAM', '{target}'))},
        ),
        (
            's2ap/wrn-28-4_s2ap-harp-p90_svhn',
            {('s2ap-2', ('WRN-28-4', '90 %')), ('s2ap-5', ('SVHN', 'WRN-28-4', '90 %'))},
        ),
        (
            's2ap/resnet18_s2ap-harp-clean-p95_cifar10',
            {('s2ap-10', ('ResNet18', '95 %', '{host}'))},
        ),
        (
            's2ap/resnet18_s2ap-harp-channel-4x_cifar10',
            {('s2ap-9', ('ResNet18', 'HARP', '{target}'))},
        ),
        ('s2ap/resnet18_trades-100e_cifar10', {('s2ap-6', ('CIFAR-10', 'ResNet18'))}),
        ('s2ap/resnet50_s2ap-harp-p90_in1k', {('s2ap-4', ('ResNet50', '90 %'))}),
    ],
)
def test_a_run_of_a_ready_config_has_its_place(config, wanted):
    from mmengine.config import Config

    file = CONFIGS / f'{config}.py'
    facts = facts_of(file.stem, Config.fromfile(file).to_dict())
    assert wanted <= places(dict(facts, method=facts['recipe'] or 'dense'))


@pytest.fixture(scope='module')
def ready():
    """The facts of every ready config, as those of a run."""
    from mmengine.config import Config

    found = []
    for file in sorted([*CONFIGS.glob('adasap/*.py'), *CONFIGS.glob('s2ap/*.py')]):
        facts = facts_of(file.stem, Config.fromfile(file).to_dict())
        found.append(dict(facts, method=facts['recipe'] or 'dense'))
    return found


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in TABLES if name.startswith(('adasap', 's2ap'))])
def test_every_row_of_a_table_has_a_ready_config(ready, name):
    table = TABLES[name]
    without = SWEPT if name.startswith('s2ap') else ()
    columns = [column for column in table.columns if isinstance(column, TableColumn)]
    for row, column in product(table.rows, columns):
        where = {**table.where, **row.where, **column.where}
        where = {key: value for key, value in where.items() if key not in without}
        assert any(fits(facts, where) for facts in ready), (row.labels, column.name)
