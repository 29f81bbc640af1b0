"""The documentation: it builds without a warning, its links lead somewhere, it is complete."""

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmrobustprune.attack.losses import LOSSES
from mmrobustprune.mask_search import HOSTS
from mmrobustprune.recipes.build import RECIPES
from mmrobustprune.scores import SCORES
from mmrobustprune.sharpness.build import ASCENTS, RULES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]
GENERATED = {'components.md', 'recipes.md', 'stacks.md', 'tools.md', 'types.md'}
LINK = re.compile(r'\]\(([^)\s]+)\)')
FILE = re.compile(
    r'(?<![\w/.])(?:tools|configs|benchmarks|docs|tests|mmrobustprune)'
    r'/[\w./*-]+?\.(?:py|sh|json|md|csv|png)'
)
PLACEHOLDER = re.compile(r'NAME|EXPERIMENT')  # what a reader puts something in for
ROW = re.compile(r'^\| `(\w+)` \|', re.M)


@pytest.mark.parametrize('page', PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        file = target.partition('#')[0]
        if file and '://' not in file and Path(file).name not in GENERATED:
            assert (page.parent / file).exists(), f'{page.relative_to(ROOT)}: {target}'


@pytest.mark.parametrize('page', PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_files_that_a_page_names_are_there(page):
    for name in FILE.findall(page.read_text()):
        if page.name != 'changelog.md' and not PLACEHOLDER.search(name):
            assert list(ROOT.glob(name)), f'{page.relative_to(ROOT)}: {name}'


def test_the_readme_is_short():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 150


def generated():
    spec = importlib.util.spec_from_file_location('generate', ROOT / 'docs' / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_field_of_every_recipe_is_described():
    text = generated().recipes()
    sections = dict(re.findall(r'^### (\w+)\n(.*?)(?=^##|\Z)', text, re.M | re.S))
    assert sections.keys() == RECIPES.keys()
    rows = re.findall(r'^\| `(\w+)` \| (.*?) \| (.*) \|$', text, re.M)
    assert [name for name, _, meaning in rows if not meaning] == []
    assert ('target', 'needed') in {row[:2] for row in rows}
    assert ('min_keep', '`0.1`') in {row[:2] for row in rows}
    fields = set(ROW.findall(sections['adasap_latency']))
    assert {'table', 'solver', 'round_to'} <= fields and 'min_keep' not in fields  # as the others


def test_a_field_that_nothing_describes_is_refused():
    @dataclass
    class Mute:
        """What it is."""

        depth: int = 3

    generated()
    of_class = sys.modules['field_tables'].of_class
    with pytest.raises(ValueError, match='Mute.depth is not described'):
        of_class(Mute)


def test_every_type_that_a_field_may_name_is_described():
    text = generated().types()
    sections = dict(re.findall(r'^### (\w+)\n(.*?)(?=^##|\Z)', text, re.M | re.S))
    for known in (SCORES, RULES, ASCENTS, HOSTS, LOSSES):
        assert known.keys() <= sections.keys()
    assert {'k', 'alpha'} == set(ROW.findall(sections['look']))
    assert r"BCE = 1/N sum\_n -log p\_y(x'\_n)" in sections['MART']  # not in italics
    assert "`width=2`, `check_every=3`, `beta='first'`" in sections['official']


def test_the_readme_has_the_stacks_that_were_run():
    """`python docs/generate.py` writes the table."""
    text = (ROOT / 'README.md').read_text()
    assert generated().TABLE.search(text)[0] == generated().stack_table(only_run=True)


def test_the_leaderboard_is_that_of_the_cards():
    """`python docs/generate.py` writes it."""
    module = generated()
    assert module.BOARD.read_text() == module.leaderboard(module.read_cards(module.CARDS))


def test_only_what_was_run_has_an_outcome(tmp_path, monkeypatch):
    module = generated()
    monkeypatch.setattr(module, 'STACKS', tmp_path)
    versions = {'torch': '2.14.1', 'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6'}
    steps = [dict(step='train', ok=True, said=''), dict(step='load', ok=False, said='no file')]
    outcome = dict(python='3.11.7', date='2026-11-30', versions=versions, steps=steps)
    (tmp_path / 'onedl.json').write_text(json.dumps(outcome))
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in module.stack_table().splitlines()[2:]
    ]
    assert len(rows) > 3 and {len(row) for row in rows} == {8}
    tried = next(row for row in rows if 'onedl' in row[0])
    assert tried[1:4] == ['3.11.7', '2.14.1 (torch)', '0.10.12 (onedl-mmengine)']
    assert tried[5:] == ['none', 'none', 'load fails (no file), 2026-11-30']
    assert all(row[7] == 'not run' for row in rows if row is not tried)
    steps[1]['ok'] = None
    assert module._said(outcome) == '1 of 2 steps run (train), 2026-11-30'
    assert len(module.stack_table(only_run=True).splitlines()) == 3


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path):
    pytest.importorskip('sphinx')
    pytest.importorskip('furo')
    pytest.importorskip('myst_parser')
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', 'docs', str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    reference = tmp_path / 'reference'
    assert 'id="adasap-latency"' in (reference / 'recipes.html').read_text()
    assert '--allowed' in (reference / 'tools.html').read_text()  # of a kind of analyze
    assert 'save_best' in (reference / 'components.html').read_text()
