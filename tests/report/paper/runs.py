"""Work dirs and observations of runs that were never trained."""

import json

import pytest

from mmrobustprune.report.paper import Row, Table, TableColumn, markdown
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation

SEARCH = """model = dict(
    backbone=dict(type='ResNet'), robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255))
robust_prune = dict(
    {fields})
train_cfg = dict(by_epoch=True, max_epochs=220)
"""


def attacks(accuracy=0.5, clean=0.8, name='autoattack', eps=8 / 255, subset=None, **settings):
    """What attacks.json holds, of one attack."""
    subset = subset or dict(size=10, of=10, pick='all', seed=0)
    return dict(
        clean=clean,
        attacks=[
            dict(attack=name, eps=eps, space='pixel', accuracy=accuracy, subset=subset, **settings)
        ],
    )


def work_dir(folder, config='', text='', **files):
    """A work dir with a config and files: results=..., or 'mask-attacked/attacks'=... below."""
    folder.mkdir(parents=True)
    if config:
        (folder / f'{config}.py').write_text(text)
    for name, content in files.items():
        path = folder / f'{name}.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def searched(target, host, search, clean, robust, seed=0, net='resnet18', data='cifar10', **more):
    """A run of S2AP's kind."""
    recipe = f's2ap_{host.lower()}'
    ours = search != 'Orig.'
    facts = dict(
        config=f'{net}_{host}_{data}',
        net=net,
        data=data,
        recipe=recipe,
        method=recipe,
        attack='TRADES',
        target=target,
        host=host,
        form='weight',
        search=search,
        gamma=1e-3 if ours else 0.0,
        awp=ours,
        warmup=True,
        name=f'{host} {search}',
        seed=seed,
    )
    numbers = {
        'clean': Number(clean),
        'autoattack@8/255': Number(robust, 'autoattack, radius 8/255'),
    }
    return Observation(f'{host} {search} {target} seed {seed}', facts | more, numbers)


def line(filled, *labels):
    """The printed cells of the row with these labels."""
    (text,) = [
        one
        for one in markdown(filled).splitlines()
        if one.startswith('| ' + ' | '.join(labels) + ' |')
    ]
    return [cell.strip() for cell in text.strip('|').split('|')][len(labels) :]


def run(name='a', seed=0, value=1.0, under='', key='x', **facts):
    """A run with one number."""
    return Observation(
        f'{name}-{seed}', dict(name=name, seed=seed, **facts), {key: Number(value, under)}
    )


SMALL = Table(
    'small',
    ('arm',),
    (TableColumn('X', ('x',), better='high'),),
    (Row(('{name}',), each='name', block='all'),),
)


def values(run):
    """Key -> about the value of each of a run's numbers."""
    return {key: pytest.approx(number.value) for key, number in run.numbers.items()}
