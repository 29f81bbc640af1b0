"""Latency of checkpoints: dense and pruned side by side, predictions, wrong input."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmrobustprune.engine.analysis import latency as room
from mmrobustprune.engine.analysis.latency import (
    LatencyOptions,
    alive_of,
    dense_network,
    measure_latency,
)
from mmrobustprune.engine.bridge.model import example_batch, tensor_forward
from mmrobustprune.latency import Timing, measure_table
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import trace
from tests.support import forwards  # noqa: F401
from tests.support.classifier import write_config, write_weights
from tests.support.tools import run_tool


def timed(table, batch=1):
    """One pass on one thread, with a table."""
    return LatencyOptions((32, 32), batch, 1, 'cpu', 1, table)


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """(config, dense checkpoint, pruned checkpoint, kept units, groups)"""
    folder = tmp_path_factory.mktemp('latency')
    config = write_config(folder, folder)
    dense, model = write_weights(config, folder / 'dense.pth')
    example = example_batch(model, 32, 32, 1)
    groups = trace(model, example, tensor_forward).groups
    alive = {group.name: torch.arange(group.units) < group.units // 2 for group in groups}
    masks = MaskSet(model, groups)
    masks.remove(alive)
    structure = masks.structure('test')
    rebuild(model, structure)
    meta = dict(mmrobustprune=dict(structure=structure.to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'pruned.pth')
    return (
        config,
        dense,
        folder / 'pruned.pth',
        {name: int(mask.sum()) for name, mask in alive.items()},
        (groups, structure),
    )


def invented(monkeypatch):
    """The table is filled by the product of the widths."""

    def watch(signature, inputs, outputs):
        return Timing(*[1e-3 * inputs * outputs] * 4, 5)

    def fill(table, network, *args, **options):
        half = {name: int(units.sum()) for name, units in network.half.items()}
        for key, kept in ((network.fingerprint, {}), (network.half_fingerprint, half)):
            widths = [
                [network.widths(side, kept) for side in network.sides(block)]
                for block in network.blocks
            ]
            table.networks[key] = Timing(
                *[sum(1e-3 * inputs * outputs for inputs, outputs in widths)] * 4, 5
            )
        return measure_table(table, network, *args, progress=False, stopwatch=watch, **options)

    monkeypatch.setattr(room, 'measure_table', fill)


def test_a_pruned_network_beside_the_dense_one(checkpoints, tmp_path, monkeypatch):
    invented(monkeypatch)
    config, _, pruned, _, _ = checkpoints
    threads = torch.get_num_threads()
    found = measure_latency(
        config,
        pruned,
        tmp_path,
        LatencyOptions((32, 32), 2, 1, 'cpu', repeats=2, table=tmp_path / 'table.json'),
    )
    assert torch.get_num_threads() == threads
    assert json.loads((tmp_path / 'latency.json').read_text()) == found
    assert (
        list(found['networks']) == ['dense', 'pruned']
        and found['threads'] == 1
        and found['batch'] == 2
    )
    dense, small = found['networks'].values()
    assert (
        dense['repeats'] == small['repeats'] == 2
        and min(dense['median_ms'], small['median_ms']) > 0
    )
    assert found['macs_ratio'] == dense['macs'] / small['macs'] and 3.5 < found['macs_ratio'] < 4
    assert found['speed_up'] == dense['median_ms'] / small['median_ms']
    assert (
        3 < found['predicted_ms']['dense'] / found['predicted_ms']['pruned'] < 4
    )  # every width is halved but the ends


def test_a_dense_checkpoint_stands_alone(checkpoints, tmp_path):
    config, dense, *_ = checkpoints
    options = LatencyOptions((32, 32), device='cpu', repeats=1)
    found = measure_latency(config, dense, tmp_path, options)
    assert (
        list(found['networks']) == ['dense']
        and 'speed_up' not in found
        and 'predicted_ms' not in found
    )


def test_a_dense_network_beside_that_of_another_config(checkpoints, tmp_path):
    config, dense, pruned, *_ = checkpoints
    options = LatencyOptions((32, 32), device='cpu', repeats=1, against=config)
    found = measure_latency(config, dense, tmp_path, options)
    first, second = found['networks'].values()
    assert [*found['networks']] == ['against', 'dense'] and found['macs_ratio'] == 1
    assert found['speed_up'] == first['median_ms'] / second['median_ms']
    with pytest.raises(ValueError, match='timed beside its own dense one; leave it away'):
        measure_latency(config, pruned, tmp_path, options)


def test_kept_units_are_read_from_the_record(checkpoints):
    *_, kept, (groups, structure) = checkpoints
    assert alive_of(structure, groups) == kept


def test_the_dense_network_of_a_config_of_a_pruned_one(checkpoints):
    config, *_, (_, structure) = checkpoints
    plain = dense_network(Config.fromfile(config)).state_dict()
    pruned = Config.fromfile(config)
    pruned.model = dict(
        type='mmrobustprune.PrunedModel', architecture=pruned.model, structure=structure.to_json()
    )
    assert {key: value.shape for key, value in dense_network(pruned).state_dict().items()} == {
        key: value.shape for key, value in plain.items()
    }


def test_the_dense_network_of_a_two_stage_detector():
    """mmdet reads its settings as attributes."""
    mmdet = pytest.importorskip('mmdet')
    path = Path(mmdet.__file__).parent / '.mim/configs/faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
    config = Config.fromfile(path)
    init_default_scope('mmdet')
    assert dense_network(config).rpn_head.num_base_priors == 3


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['--batch', 0], "--batch: '0' is no whole number"),
        ([], 'names no input size; give it as --shape'),
        (
            ['--shape', 32, 32, '--table', 'table.json', '--batch', 3],
            'measured with batch 2 and 3 is wanted',
        ),
    ],
)
def test_wrong_input_is_one_sentence(checkpoints, tmp_path, monkeypatch, capsys, words, sentence):
    config, dense, *_ = checkpoints
    if '--table' in words:
        invented(monkeypatch)
        measure_latency(config, dense, tmp_path, timed(tmp_path / 'table.json', batch=2))
        words = [tmp_path / word if word == 'table.json' else word for word in words]
    code = run_tool(
        monkeypatch,
        'analyze',
        'latency',
        config,
        dense,
        *words,
        '--device',
        'cpu',
        '--threads',
        1,
        '--repeats',
        1,
        '--work-dir',
        tmp_path,
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and error.startswith('analyze: ') and sentence in error


def test_the_tool_prints_both(checkpoints, tmp_path, monkeypatch, capsys):
    config, _, pruned, *_ = checkpoints
    assert (
        run_tool(
            monkeypatch,
            'analyze',
            'latency',
            config,
            pruned,
            '--shape',
            32,
            32,
            '--device',
            'cpu',
            '--repeats',
            1,
            '--work-dir',
            tmp_path,
        )
        == 0
    )
    out = capsys.readouterr().out
    assert 'dense' in out and 'pruned' in out and 'fewer MACs' in out and 'latency.json' in out


def test_grouped_kernels_have_no_prediction(checkpoints):
    *_, (_, structure) = checkpoints
    structure = type(structure).from_dict(structure.to_dict())
    room._refuse_grouped(structure)
    structure.layers['a'] = dict(kind='conv', shape=[1], kept=[[0]])
    with pytest.raises(ValueError, match='grouped kernels; leave the table out'):
        room._refuse_grouped(structure)


def test_layers_narrower_than_the_usual_step_are_predicted(checkpoints, tmp_path, monkeypatch):
    invented(monkeypatch)
    config, *_, (groups, _) = checkpoints
    model = dense_network(Config.fromfile(config))
    masks = MaskSet(model, groups)
    masks.remove({group.name: torch.arange(group.units) < 3 for group in groups})
    structure = masks.structure('test')
    rebuild(model, structure)
    torch.save(
        dict(
            state_dict=model.state_dict(),
            meta=dict(mmrobustprune=dict(structure=structure.to_dict())),
        ),
        tmp_path / 'narrow.pth',
    )
    options = timed(tmp_path / 'table.json')
    found = measure_latency(config, tmp_path / 'narrow.pth', tmp_path, options)
    assert 0 < found['predicted_ms']['pruned'] < found['predicted_ms']['dense'] / 20


def test_memory_order_is_that_of_the_config(checkpoints, tmp_path, monkeypatch):
    """Another order runs other kernels, so it and its half are other networks to the table."""
    invented(monkeypatch)
    config, dense, *_ = checkpoints
    for hooks in ([], [dict(type='mmrobustprune.ChannelsLastHook')]):
        cfg = Config.fromfile(config)
        cfg.custom_hooks = hooks
        measure_latency(cfg, dense, tmp_path, timed(tmp_path / 'table.json'))
    table = json.loads((tmp_path / 'table.json').read_text())
    ordered = [key for key in table['blocks'] if 'channels_last' in key]
    assert len(table['networks']) == 4 and ordered and len(ordered) < len(table['blocks'])


def test_a_named_forward_is_timed_traced_and_predicted(checkpoints, tmp_path, monkeypatch, capsys):
    """A model that has no tensor forward gets the numbers of the one that has."""
    invented(monkeypatch)
    config, _, pruned, _, _ = checkpoints
    stock = measure_latency(config, pruned, tmp_path, timed(tmp_path / 'stock.json'))
    other = Config.fromfile(config)
    other.model.type = 'LossOnly'
    named = replace(timed(tmp_path / 'named.json'), forward='tests.support.forwards:logits')
    found = measure_latency(other, pruned, tmp_path, named)
    assert found['predicted_ms'] == stock['predicted_ms']
    for name, one in found['networks'].items():
        assert one['macs'] == stock['networks'][name]['macs']
    other.custom_imports = dict(imports=['tests.support.forwards'])
    other.dump(tmp_path / 'other.py')
    words = ('latency', tmp_path / 'other.py', pruned, '--shape', 32, 32, '--work-dir', tmp_path)
    assert run_tool(monkeypatch, 'analyze', *words) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith('that it accepts (--forward package.module:function).')
    forward = ('--forward', 'tests.support.forwards:logits', '--repeats', 1)
    assert run_tool(monkeypatch, 'analyze', *words, *forward) == 0
