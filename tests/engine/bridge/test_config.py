"""Configs: read, copied, asked."""

import pytest
from mmengine.config import Config
from torch.optim import SGD

from mmrobustprune.engine.bridge import config as bridge


def test_a_copy_has_imported_types_as_text(tmp_path):
    (tmp_path / 'a.py').write_text(
        'from torch.optim import SGD\noptimizer = dict(type=SGD, lr=0.1)\n'
    )
    given = Config.fromfile(tmp_path / 'a.py', lazy_import=True, format_python_code=False)
    plain = bridge.plain_config(given)
    assert plain.to_dict()['optimizer'] == dict(type='torch.optim.SGD', lr=0.1)
    assert plain.filename == str(tmp_path / 'a.py') and plain._format_python_code is False
    plain.optimizer.lr = 1.0
    assert given.optimizer.lr == 0.1
    assert bridge.plain_config(dict(a=1)).a == 1


@pytest.mark.parametrize('format_python_code', [True, False])
def test_a_long_text_is_in_the_file_and_not_seen_by_the_formatter(tmp_path, format_python_code):
    record = '{"layers": {"a\\b": [' + '1, ' * 20000 + "2]}, 'it's': None}"
    values = dict(model=dict(structure=record, again=[(record[1:], 'short')]), lr=0.1)
    text = bridge.formatted(Config(values, format_python_code=format_python_code))
    (tmp_path / 'a.py').write_text(text)
    assert Config.fromfile(tmp_path / 'a.py').to_dict() == values
    short = dict(lr=[0.1, 'x'])
    assert bridge.formatted(Config(short)) == Config(short).pretty_text


@pytest.mark.parametrize('kind', ['SGD', 'torch.optim.SGD', SGD])
def test_the_bare_name_of_a_type(kind):
    assert bridge.type_name(kind) == 'SGD'


def test_options_are_read_as_mmengine_reads_them():
    found = bridge.parse_options(['a.b=1', 'c=x=y', 'd=[1,2]', 'e=None'])
    assert found == {'a.b': 1, 'c': 'x=y', 'd': [1, 2], 'e': None}
    with pytest.raises(ValueError, match="--cfg-options got 'model'; write KEY=VALUE"):
        bridge.parse_options(['model'])


def test_a_config_or_its_path(tmp_path):
    (tmp_path / 'a.py').write_text('lr = 0.1\nmodel = dict(depth=18)\n')
    for path in (tmp_path / 'a.py', str(tmp_path / 'a.py')):
        assert bridge.as_config(path, ['model.depth=34']).to_dict() == dict(
            lr=0.1, model=dict(depth=34)
        )
    given = Config(dict(lr=0.1))
    assert bridge.as_config(given, ['lr=1.0']).lr == 1.0 and given.lr == 0.1
    with pytest.raises(FileNotFoundError, match='is not there; give the path of a config file'):
        bridge.as_config(tmp_path / 'none.py')


def test_a_config_of_a_package():
    config = bridge.as_config('mmdet::ssd/ssd300_coco.py', ['model.bbox_head.num_classes=3'])
    assert config.model.type == 'SingleStageDetector' and config.model.bbox_head.num_classes == 3
    for path in ('mmdet::ssd/no_such.py', 'nowhere::a.py', 'json::a.py'):
        with pytest.raises(FileNotFoundError, match='has no config|is not installed|is not there'):
            bridge.as_config(path)


@pytest.mark.parametrize(
    'step, size',
    [
        (dict(type='CenterCrop', crop_size=224), (224, 224)),
        (dict(type='Resize', scale=(1333, 800)), (800, 1333)),
        (dict(type='Resize', size=[640, 480]), (480, 640)),
    ],
)
def test_the_size_that_the_test_pipeline_ends_in(step, size):
    dataset = dict(pipeline=[dict(type='Resize', scale=7), step, dict(type='Pack')])
    wrapped = dict(type='RepeatDataset', dataset=dataset)
    assert bridge.test_size(Config(dict(test_dataloader=dict(dataset=wrapped)))) == size


def test_a_pipeline_without_a_size():
    with pytest.raises(ValueError, match='give it as --shape HEIGHT WIDTH'):
        bridge.test_size(Config(dict(test_dataloader=dict(dataset=dict(pipeline=[])))))


def test_a_base_may_import_something_for_itself(tmp_path):
    (tmp_path / 'base.py').write_text('from torch import nn\nlr = 0.1\n')
    (tmp_path / 'other.py').write_text('from mmengine.config import read_base\nwith read_base():\n')
    (tmp_path / 'other.py').open('a').write('    from .base import *\n')
    (tmp_path / 'a.py').write_text("_base_ = './base.py'\nwd = 0.0\n")
    (tmp_path / 'b.py').write_text("_base_ = './other.py'\n")
    assert bridge.load_config(str(tmp_path / 'a.py')).to_dict() == dict(lr=0.1, wd=0.0)
    with pytest.raises(ValueError, match='type in the inheritance chain must match'):
        bridge.load_config(str(tmp_path / 'b.py'))
