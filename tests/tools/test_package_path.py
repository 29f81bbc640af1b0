"""CONFIG as `package::path`, and what --why says where nothing can be pruned."""

from pathlib import Path

import mmdet
import pytest

from mmrobustprune.engine.bridge.config import find_config, load_config
from tests.support.classifier import write_config, write_pictures, write_weights
from tests.support.tools import run_tool

INSIDE = 'retinanet/retinanet_r18_fpn_1x_coco.py'


def test_a_package_path_is_the_file_in_the_package():
    file = Path(mmdet.__file__).parent / '.mim' / 'configs' / INSIDE
    assert find_config(f'mmdet::{INSIDE}') == file
    config = load_config(f'mmdet::{INSIDE}', ['model.bbox_head.num_classes=3'])
    assert config.model.type == 'RetinaNet' and config.model.bbox_head.num_classes == 3
    assert Path(config.filename) == file
    ours = load_config('mmrobustprune::recipes/adasap.py')
    assert ours.robust_prune.recipe == 'adasap'


@pytest.mark.parametrize(
    'path, sentence',
    [
        ('nowhere.py', "config 'nowhere.py' is not there; give the path of a config file"),
        ('mmnone::a.py', "'mmnone', which is not installed; install it, or give a path"),
        (
            'mmdet::ssd/ssd300_cocoo.py',
            r"no config 'ssd/ssd300_cocoo.py' \(did you mean 'ssd/ssd30",
        ),
    ],
)
def test_a_config_that_is_not_there_is_one_sentence(path, sentence):
    with pytest.raises(FileNotFoundError, match=sentence):
        find_config(path)


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('model = dict(\n', "cannot be read (SyntaxError: '(' was never closed"),
        ('lr = nothing\n', "cannot be read (NameError: name 'nothing' is not defined); mend"),
        ("_base_ = './none.py'\n", 'cannot be read (FileNotFoundError: '),
        ("custom_imports = dict(imports=['no_such'])\n", 'cannot be read (ImportError: Failed to'),
        ('lr = 1\n', "config.py' has no model; give a whole config, no part of one"),
    ],
)
def test_a_config_that_is_none_is_one_sentence(monkeypatch, tmp_path, capsys, text, sentence):
    """Whatever is wrong with it, as a config is a program."""
    config = tmp_path / 'config.py'
    config.write_text(text)
    for words in (('test', config, 'x.pth'), ('export', config, 'x.pth', '--out', tmp_path / 'x')):
        assert run_tool(monkeypatch, *words) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith(f'{words[0]}: config') and sentence in said


@pytest.mark.parametrize(
    'words',
    [
        ('train', '{}'),
        ('test', '{}', 'x.pth'),
        ('prune', '{}', 'x.pth', '--out', 'x', '--shape', '32', '32'),
        ('export', '{}', 'x.pth', '--out', 'x'),
        ('attack', '{}', 'x.pth'),
        ('robustness', '{}', 'x.pth'),
        ('make_corrupted', '{}', '--out', 'x'),
        ('analyze', 'frequency', '{}', 'x.pth'),
        ('analyze', 'imagenet-v2', '{}', 'x.pth'),
        ('analyze', 'sharpness', '{}', 'x.pth'),
        ('analyze', 'latency', '{}', 'x.pth'),
    ],
    ids=' '.join,
)
def test_every_tool_reads_a_package_path(monkeypatch, tmp_path, capsys, words):
    """Each comes as far as the data or the weights, which are not there."""
    monkeypatch.chdir(tmp_path)
    tool, *others = [word.format(f'mmdet::{INSIDE}') for word in words]
    assert run_tool(monkeypatch, tool, *others) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f'{tool}: ') and 'config' not in said.partition(' is not there')[0]
    assert '::' not in said


def test_why_gives_the_reasons_before_nothing_can_be_pruned(monkeypatch, tmp_path, capsys):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data'))
    checkpoint, _ = write_weights(config, tmp_path / 'a.pth')
    words = (config, checkpoint, '--out', tmp_path / 'x', '--shape', 32, 32, '--ignore', '*')
    assert run_tool(monkeypatch, 'prune', *words, '--why') == 2
    said = capsys.readouterr()
    assert "backbone.conv1: unprunable, it matches ignore pattern '*'" in said.out
    assert said.err.strip().endswith(
        'prune: nothing can be pruned: every layer is unprunable; --why prints the reasons.'
    )
