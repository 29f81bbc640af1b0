"""The pages of the papers: what an experiment costs by the rule, and that they are as generated."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip('tomllib')
pytest.importorskip('mmpretrain')
import tomllib
from mmengine.config import Config

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope='module')
def pages():
    spec = importlib.util.spec_from_file_location('paper_pages', ROOT / 'docs' / 'paper_pages.py')
    module = sys.modules['paper_pages'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules['paper_pages']


SAM = dict(type='SAM', rho=0.05)
ADASAP = dict(recipe='adasap', target=0.5, warmup='10 epochs', rounds=30, interval=30)
TRADES = dict(type='TRADES', steps=10)
S2AP = dict(recipe='s2ap_hydra', target=0.9, pretrain='100 epochs', search='20 epochs')


@pytest.mark.parametrize(
    'recipe, loss, epochs, passes',
    [
        (None, None, 90, 90),
        (ADASAP, None, 90, 180),  # two gradients in every phase
        (dict(ADASAP, finetune_rule=None), None, 90, 90 + 10 + 9),
        (dict(ADASAP, recipe='taylor'), None, 90, 90),
        (dict(ADASAP, recipe='taylor', warmup=0.5, rule=SAM), None, 90, 90 + 45 + 9),
        (dict(recipe='sr_gkp', target=0.5), None, 300, 300),
        (None, TRADES, 100, 1200),
        (None, dict(type='FastAT'), 25, 50),
        (dict(S2AP, gamma=0), TRADES, 220, 2640),
        (S2AP, TRADES, 220, 1200 + 120 * 14),
    ],
)
def test_passes_over_the_training_images(pages, recipe, loss, epochs, passes):
    config = dict(train_cfg=dict(max_epochs=epochs), model=dict(type='A'))
    if recipe:
        config['robust_prune'] = recipe
    if loss:
        config['model']['robust_loss'] = loss
    assert pages.passes_of(Config(config), per_epoch=100) == pytest.approx(passes)


def test_hours_follow_the_stated_rule(pages):
    line = pages.Line('Table 1', config='adasap/resnet50_8xb128-90e_in1k', passes=90)
    hours = 90 * 1_281_167 * 6 * 4.09e9 / 20e12 / 3600
    assert pages.hours_of(line) == pytest.approx(hours)
    assert pages.hours_of(pages.Line('Figure 1')) is None


def test_a_page_has_a_line_for_every_experiment(pages):
    ours = dict(at='Table 1', printed='.5 | .6', config='a/resnet50_8xb128_in1k', passes=1)
    text = pages.page(dict(title='A', about='What it is.', lines=[ours, dict(at='Figure 1')]))
    first, second = text.splitlines()[-2:]
    command = 'bash tools/dist_train.sh configs/a/resnet50_8xb128_in1k.py 8'
    assert first == rf'| Table 1 | .5 \| .6 | `a/resnet50_8xb128_in1k` | `{command}` | 0.44 | - |'
    assert second == '| Figure 1 | - | - | - | - | - |'
    bare = pages.page(dict(title='A', about='What it is.', lines=[dict(at='B', command='c')]))
    assert bare.endswith('| --- | --- | --- | --- |\n| B | - | `c` | - |\n')
    assert 'GPU hours' not in bare
    assert pages.command_of('a/x_1xb128_y') == 'python tools/train.py configs/a/x_1xb128_y.py'


def test_every_config_of_a_page_is_there(pages):
    for file in pages.sources():
        for fields in tomllib.loads(file.read_text())['lines']:
            config = pages.Line(**fields).config
            assert not config or (ROOT / 'configs' / f'{config}.py').exists(), (file.name, config)


NUMBERED = {
    'adasap': dict(Table=range(7, 16), Figure=(1, 4, 5, 6)),  # of what was at hand
    's2ap': dict(Table=range(1, 14), Figure=range(1, 18)),
    'sr-gkp': dict(Table=(*range(1, 13), 14, *range(20, 24)), Figure=range(1, 10)),
}


def numbers_in(text, what):
    """Table 7; Tables 2 and 12; Tables 8, 9 and 12; Figures 1 to 4."""
    found = set()
    for said in re.findall(what + r's? ([\d, andto]+)', text):
        for first, last in re.findall(r'(\d+) to (\d+)', said):
            found.update(range(int(first), int(last)))
        found.update(map(int, re.findall(r'\d+', said)))
    return found


@pytest.mark.parametrize('paper', NUMBERED)
def test_every_table_and_figure_of_a_paper_has_a_line(pages, paper):
    lines = tomllib.loads((pages.PAPERS / f'{paper}.toml').read_text())['lines']
    for what, numbers in NUMBERED[paper].items():
        found = set().union(*(numbers_in(fields['at'], what) for fields in lines))
        assert set(numbers) <= found, (what, sorted(set(numbers) - found))


def test_every_line_has_a_command_of_a_tool_a_table_and_a_config_that_are_there(pages):
    from mmrobustprune.report.paper import FIGURES, TABLES

    for file in pages.sources():
        for fields in tomllib.loads(file.read_text())['lines']:
            line = pages.Line(**fields)
            command = line.command or (line.config and pages.command_of(line.config))
            assert command.startswith(('python ', 'bash ')), line.at
            for path in re.findall(r'\b(?:tools|configs|benchmarks)/\S+\.(?:py|sh)', command):
                assert (ROOT / path).exists(), (line.at, path)
            for option, known in (('table', TABLES), ('figure', FIGURES)):
                for name in re.findall(rf'--{option} (\S+)', command):
                    assert name in known, (line.at, name)


@pytest.mark.slow
def test_pages_are_as_their_data_says(pages, tmp_path):
    for path in pages.write_all(tmp_path):
        now = (pages.PAPERS / path.name).read_text()
        assert now == path.read_text(), f'run python docs/paper_pages.py: {path.name}'
