"""The grid over radii and seeds: what is run, what is not run again, and what is chosen."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from tests.support.searching import searched

METRIC = 'accuracy/top1'


@pytest.fixture
def tool(beside):
    import gamma_sweep

    return gamma_sweep


@pytest.fixture
def config(tmp_path):
    made = searched(tmp_path / 'unused', attack=None, search='2 epochs', metric=METRIC)
    made.val_dataloader.dataset = dict(made.train_dataloader.dataset)
    made.dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'


@pytest.fixture
def trained(tool, monkeypatch):
    """The options of every training; each ends with an accuracy of 50 + 1000 gamma + seed."""
    seen = []

    def run(line, cwd):
        options = dict(word.split('=', 1) for word in line[line.index('--cfg-options') + 1 :])
        seen.append((line, options))
        gamma = float(options['robust_prune.gamma'])
        folder = tool.Path(line[line.index('--work-dir') + 1])
        folder.mkdir(parents=True)
        value = 50 + 1000 * min(gamma, 0.006 - gamma) + int(options['randomness.seed'])
        stages = [dict(stage='finetune', metric_after={METRIC: value})]
        (folder / 'stages.json').write_text(json.dumps(stages))
        (folder / 'masks.npz').touch()
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(tool, 'subprocess', SimpleNamespace(run=run))
    return seen


def test_every_cell_is_searched_once_and_the_best_mean_is_chosen(tool, config, tmp_path, trained):
    given = [str(config), '--work-dir', str(tmp_path / 'grid'), '--seeds', '0', '1', '--gammas']
    tool.main([*given, '0.001', '0.0025'])
    assert [options['train_cfg.max_epochs'] for _, options in trained] == ['3'] * 4
    assert str(config) in trained[0][0]
    tool.main([*given, '0.001', '0.0025', '0.005'])
    assert len(trained) == 6
    found = json.loads((tmp_path / 'grid' / 'gamma_sweep.json').read_text())
    assert found['best'] == 0.0025 and len(found['cells']) == 6
    assert found['means'][0] == dict(gamma=0.001, value=51.5)
    assert (tmp_path / 'grid' / 'gamma_sweep.png').is_file()


def test_a_search_that_was_stopped_goes_on(tool, config, tmp_path, trained):
    folder = tmp_path / 'grid' / 'gamma-0.001-seed0'
    folder.mkdir(parents=True)
    (folder / 'last_checkpoint').touch()
    with pytest.raises(FileExistsError):  # the stand-in makes the folder, after it was called
        tool.main([str(config), '--work-dir', str(tmp_path / 'grid'), '--gammas', '0.001'])
    assert '--resume' in trained[0][0]


@pytest.mark.parametrize(
    'options, sentence',
    [
        (['val_dataloader=None'], 'the config validates with no images, or with those that test'),
        (['robust_prune.search=0.5'], "robust_prune.search=0.5 is not in epochs; write it as '20"),
    ],
)
def test_what_cannot_be_swept_is_said(tool, config, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        tool.main([str(config), '--cfg-options', *options])
