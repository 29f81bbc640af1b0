"""One-shot surgery and export of small trained models, as a user calls them."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.apis import get_model

import mmrobustprune.engine  # noqa: F401
from tests.support.classifier import write_config, write_pictures, write_weights
from tests.support.tiny import classifier, detector
from tests.support.tools import run_tool

TOOLS = Path(__file__).parents[2] / 'tools'


def call(tool, *arguments):
    spec = importlib.util.spec_from_file_location(f'tool_{tool}', TOOLS / f'{tool}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([str(argument) for argument in arguments])


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """(config file, checkpoint, (H, W)) of a trained classifier and a trained detector."""
    folder = tmp_path_factory.mktemp('models')
    found = {}
    for name, config, size in (
        ('classifier', classifier(folder / 'c', epochs=1), (16, 16)),
        ('detector', detector(folder / 'd', folder / 'shapes', epochs=1), (96, 96)),
    ):
        config.dump(folder / f'{name}.py')
        Runner.from_cfg(config).train()
        found[name] = (folder / f'{name}.py', Path(config.work_dir) / 'epoch_1.pth', size)
    return found


@pytest.mark.parametrize('name', ['classifier', 'detector'])
def test_prune_then_export(models, name, tmp_path, capsys):
    config, checkpoint, size = models[name]
    call('prune', config, checkpoint, '--out', tmp_path / 'half', '--shape', *size, '--target', 0.4)
    assert 'total' in capsys.readouterr().out
    cost = json.loads((tmp_path / 'half' / 'cost.json').read_text())
    assert 0.4 <= 1 - cost['pruned']['params'] / cost['dense']['params'] <= 0.41

    call(
        'export',
        config,
        tmp_path / 'half' / 'pruned.pth',
        '--out',
        tmp_path / 'out',
        '--shape',
        *size,
    )
    stock = Config.fromfile(tmp_path / 'out' / 'model.py')
    model = MODELS.build(stock.model)
    saved = torch.load(tmp_path / 'out' / 'model.pth', weights_only=True)
    model.load_state_dict(saved['state_dict'])
    assert sum(p.numel() for p in model.parameters()) == cost['pruned']['params']

    import onnx
    import onnxruntime

    inputs = np.random.default_rng(0).standard_normal((1, 3, *size), dtype=np.float32)
    outputs = onnxruntime.InferenceSession(tmp_path / 'out' / 'model.onnx').run(
        None, {'inputs': inputs}
    )
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(inputs), mode='tensor')
    flat = [expected] if name == 'classifier' else [*expected[0], *expected[1]]
    for found, wanted in zip(outputs, flat, strict=True):
        np.testing.assert_allclose(
            found, wanted.numpy(), atol=1e-4 * max(1, float(wanted.abs().max()))
        )
    notes = {
        p.key: json.loads(p.value)
        for p in onnx.load(tmp_path / 'out' / 'model.onnx').metadata_props
    }
    assert (
        notes['kind'] == name
        and notes['input']['size'] == list(size)
        and notes['dataset']['classes']
    )


def test_a_dry_run_writes_nothing(models, tmp_path, capsys):
    config, checkpoint, size = models['classifier']
    call(
        'prune',
        config,
        checkpoint,
        '--out',
        tmp_path / 'half',
        '--shape',
        *size,
        '--dry-run',
        '--chains',
    )
    out = capsys.readouterr().out
    assert 'one unit is' in out and 'dry run' in out and not (tmp_path / 'half').exists()


def test_grouped_kernels(models, tmp_path, capsys):
    config, checkpoint, size = models['classifier']
    words = [
        '--shape',
        *size,
        '--method',
        'sr_gkp',
        '--target',
        0.5,
        '--groups',
        4,
        '--search',
        'beam,width=2,alpha=0.5',
    ]
    call(
        'prune',
        config,
        checkpoint,
        '--out',
        tmp_path / 'gkp',
        *words,
        '--layers',
        'backbone.layer1,backbone.layer2.0.conv1',
        '--why',
    )
    said = capsys.readouterr().out
    assert (
        'backbone.layer1.0.conv1: 4 groups of 2 filters, each reads 4 of 8 channels' in said
        and '8 -> 4' in said
    )
    assert 'removed' in said and said.count('Loads checkpoint') <= 1
    decisions = json.loads((tmp_path / 'gkp' / 'decisions.json').read_text())
    assert [one['layer'] for one in decisions] == [
        f'backbone.layer{place}'
        for place in ('1.0.conv1', '1.0.conv2', '1.1.conv1', '1.1.conv2', '2.0.conv1')
    ]
    structure = json.loads((tmp_path / 'gkp' / 'structure.json').read_text())
    assert structure['layers']['backbone.layer1.0.conv1']['kept'] == decisions[0]['kept']
    assert (
        structure['method']
        == 'one-shot sr_gkp, grouped kernels, Snaking(), Beam(width=2, alpha=0.5)'
    )
    cost = json.loads((tmp_path / 'gkp' / 'cost.json').read_text())
    assert cost['pruned']['params'] == cost['dense']['params'] - (4 * 8 * 8 + 8 * 16) * 9 // 2

    init_default_scope('mmpretrain')
    model = get_model(
        Config.fromfile(tmp_path / 'gkp' / 'pruned.py'), str(tmp_path / 'gkp' / 'pruned.pth')
    )
    assert sum(p.numel() for p in model.parameters()) == cost['pruned']['params']
    weights = torch.load(tmp_path / 'gkp' / 'pruned.pth', weights_only=True)['state_dict']
    for name, value in model.state_dict().items():
        assert torch.equal(value.cpu(), weights[name]), name


@pytest.mark.parametrize(
    'words, sentence',
    [
        (
            ['--method', 'sr_gkp', '--scope', 'layer'],
            "method 'sr_gkp' has no option scope; leave it away, or choose among target, "
            'groups, layers',
        ),
        (
            ['--groups', 4],
            "method 'magnitude' has no option groups; "
            'leave it away, or choose among target, budget, scope',
        ),
        (['--recalibrate', '3 apples'], "recalibrate='3 apples' is no amount of data; write"),
        (['--method', 'sr_gkp', '--ratios', 'a.json'], "method 'sr_gkp' has no option ratios"),
        (['--method', 'hrank'], r"'hrank' needs data \(500 training images\), .*recipe='hrank'"),
        (['--method', 'srgkp'], "unknown method 'srgkp'.*did you mean 'sr_gkp'"),
        (['--method', 'tmi_gkp'], 'TMI alone needs them'),
        (['--method', 'sr_gkp', '--search', 'beem'], "did you mean 'beam'"),
        (
            ['--method', 'sr_gkp', '--target', 0.3],
            'the nearest that does so in all chosen layers is',
        ),
        (['--method', 'sr_gkp', '--groups', 5, '--target', 0.5], 'groups=5 does not divide'),
        (['--method', 'sr_gkp', '--part', 'neck'], 'no part of|no convolution of'),
    ],
)
def test_options_of_another_method_are_refused(models, tmp_path, words, sentence):
    config, checkpoint, size = models['classifier']
    with pytest.raises(ValueError, match=sentence) as error:
        call('prune', config, checkpoint, '--out', tmp_path / 'no', '--shape', *size, *words)
    assert '\n' not in str(error.value) and not (tmp_path / 'no').exists()


def test_a_pruned_checkpoint_is_refused(models, tmp_path):
    config, checkpoint, size = models['classifier']
    call('prune', config, checkpoint, '--out', tmp_path / 'half', '--shape', *size)
    with pytest.raises(ValueError, match='pruned already'):
        call(
            'prune',
            config,
            tmp_path / 'half' / 'pruned.pth',
            '--out',
            tmp_path / 'again',
            '--shape',
            *size,
        )


def test_the_wrong_config_is_named(models, tmp_path):
    with pytest.raises(ValueError, match="are not those of the config's model"):
        call(
            'prune',
            models['detector'][0],
            models['classifier'][1],
            '--out',
            tmp_path,
            '--shape',
            96,
            96,
        )


def test_a_model_that_cannot_be_traced_is_pruned_by_a_named_forward(monkeypatch, tmp_path, capsys):
    """The advice names the option; with it --why and the surgery see the same chains."""
    config = write_config(tmp_path, write_pictures(tmp_path / 'data'))
    checkpoint, _ = write_weights(config, tmp_path / 'a.pth')
    words = (checkpoint, '--shape', 32, 32, '--why', '--target', 0.5, '--recalibrate', '', '--out')
    assert run_tool(monkeypatch, 'prune', config, *words, tmp_path / 'stock') == 0
    stock = capsys.readouterr().out
    numbered = Config.fromfile(config)
    numbered.model.type = 'Numbered'
    numbered.custom_imports = dict(imports=['tests.support.forwards'])
    numbered.dump(tmp_path / 'numbered.py')
    words = (tmp_path / 'numbered.py', *words, tmp_path / 'named')
    assert run_tool(monkeypatch, 'prune', *words) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('prune: the model cannot be traced: ')
    assert said.endswith('without no_grad (--forward package.module:function).')
    forward = ('--forward', 'tests.support.forwards:logits')
    assert run_tool(monkeypatch, 'prune', *words, *forward) == 0
    named = capsys.readouterr().out
    assert 'backbone.conv1: 16 units, one unit is' in named
    assert named.replace('named', 'stock') == stock
    layers = [
        json.loads((tmp_path / name / 'structure.json').read_text())['layers']
        for name in ('stock', 'named')
    ]
    assert layers[0] == layers[1]
    assert run_tool(monkeypatch, 'prune', *words, '--forward', 'logits') == 2
    said = capsys.readouterr().err
    assert "prune: --forward='logits' cannot be loaded (No module named 'logits'); give" in said
    numbered.robust_prune = dict(recipe='magnitude', target=0.5, forward=forward[1])
    numbered.dump(tmp_path / 'numbered.py')
    assert run_tool(monkeypatch, 'prune', *words, '--dry-run') == 0  # the config names it


def test_statistics_are_computed_anew_and_measured(models, tmp_path, capsys):
    config, checkpoint, size = models['classifier']
    words = ('--shape', *size, '--recalibrate', '16 images', '--measure', 10)
    call('prune', config, checkpoint, '--out', tmp_path / 'half', *words)
    said = capsys.readouterr().out
    assert 'BatchNorm statistics: of 16 images' in said and "recalibrated: {'accuracy/top1'" in said
    cost = json.loads((tmp_path / 'half' / 'cost.json').read_text())
    assert cost['recalibrated'] == 16 and cost['accuracy']['images'] == 10
    saved = torch.load(tmp_path / 'half' / 'pruned.pth', weights_only=True)['state_dict']
    assert saved['backbone.bn1.num_batches_tracked'] == 2
