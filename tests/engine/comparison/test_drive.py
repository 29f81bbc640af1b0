"""Which runs are made, by whom, and what is refused; a whole experiment on generated images."""

import json
import os
from dataclasses import replace

import pytest

from mmrobustprune.engine.comparison import drive
from mmrobustprune.engine.comparison.cards import make_cards
from mmrobustprune.engine.comparison.drive import Comparison
from mmrobustprune.engine.comparison.experiment import Arm, Budget, Experiment, read_experiment
from mmrobustprune.engine.comparison.verify import verify_card
from tests.support.comparing import call_here, write_experiment

METRIC = 'accuracy/top1'


def experiment(**changes):
    arms = dict(ours=Arm('a.py'), plain=Arm('b.py'))
    return Experiment(
        **dict(
            dict(name='tiny', title='Tiny', base='base.py', methods=arms, epochs=2, size=(8, 8)),
            **changes,
        )
    )


@pytest.fixture
def runs(monkeypatch):
    """Runs that are over at once: their labels, and what they record."""
    seen = []
    changed = {}

    class Finished:
        def __init__(self, job, tools):
            self.job = job

        def finish(self):
            job = self.job
            seen.append(job.label)
            record = dict(
                name=job.name,
                seed=job.seed,
                epochs=job.length,
                minutes=1.0,
                clean=90.0 + job.seed,
                metric=METRIC,
                images=10,
                params=50,
                macs=100,
                dense_cost=dict(params=100, macs=200),
            )
            return record | changed.get(job.label, {})

    monkeypatch.setattr(drive, 'JobRun', Finished)
    monkeypatch.setattr(drive, 'refuse_other_budget', lambda *_: None)
    return seen, changed


def compared(tmp_path, said=None, **changes):
    said = [] if said is None else said
    return Comparison(
        experiment(**changes), tmp_path / 'work', tmp_path / 'results', say=said.append
    )


def test_every_run_is_made_once_and_the_page_is_there(runs, tmp_path):
    seen, _ = runs
    one = compared(tmp_path, seeds=(0, 1))
    one.run(['ours'])
    one.run()
    order = ['ours-seed0', 'ours-seed1', 'dense-seed0', 'plain-seed0', 'dense-seed1', 'plain-seed1']
    assert seen == order
    text = (tmp_path / 'results' / 'tiny' / 'README.md').read_text()
    assert '| ours | 2 | 1.0 | 50 | 100 | **90.50 ± 6.35** |' in text  # t(1) * .7071 / sqrt(2)
    assert not list((tmp_path / 'work' / 'tiny' / 'locks').iterdir())


def test_a_run_of_another_machine_is_left_to_it(runs, tmp_path):
    seen, _ = runs
    lock = tmp_path / 'work' / 'tiny' / 'locks' / 'ours-seed0.lock'
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps(dict(host='other', process=1, machine='x', token='y')))
    said = []
    compared(tmp_path, said).run(['ours', 'plain'])
    assert seen == ['plain-seed0'] and 'under way elsewhere: ours-seed0 (other)' in said
    os.utime(lock, (0, 0))
    compared(tmp_path).run(['ours', 'plain'])
    assert seen == ['plain-seed0', 'ours-seed0'] and not lock.exists()


def test_methods_wait_for_a_dense_network_that_is_trained_elsewhere(runs, tmp_path):
    seen, _ = runs
    lock = tmp_path / 'work' / 'tiny' / 'locks' / 'dense-seed0.lock'
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps(dict(host='other', process=1, machine='x', token='y')))
    said = []
    compared(tmp_path, said).run()
    assert seen == []
    waiting = 'ours-seed0 (waits for dense-seed0), plain-seed0 (waits for dense-seed0)'
    assert said == [f'under way elsewhere: dense-seed0 (other), {waiting}']


def test_a_renamed_method_is_said_before_anything_runs(runs, tmp_path):
    seen, _ = runs
    compared(tmp_path).run(['ours'])
    renamed = compared(tmp_path, methods=dict(our=Arm('a.py'), plain=Arm('b.py')))
    with pytest.raises(
        ValueError, match=r"record of 'ours', .*\(did you mean 'our'\?\); where the"
    ):
        renamed.run()
    assert seen == ['ours-seed0']


@pytest.mark.parametrize(
    'changes, record, sentence',
    [
        (
            dict(budget=Budget('params', 0.5)),
            dict(params=52),
            'ours-seed0 removed 0.4800 of the params and the budget is 0.5 within 0.01',
        ),
        ({}, dict(epochs=3), r'unequal epochs \(plain-seed0 2, ours-seed0 3\)'),
    ],
)
def test_what_does_not_belong_into_the_table_is_refused(runs, tmp_path, changes, record, sentence):
    seen, changed = runs
    changed['ours-seed0'] = record
    methods = dict(plain=Arm('b.py'), ours=Arm('a.py'), third=Arm('c.py'))
    one = compared(tmp_path, methods=methods, **changes)
    with pytest.raises(ValueError, match=sentence):
        one.run(['plain', 'ours', 'third'])
    names = sorted(file.name for file in one.folder.glob('*.json'))
    assert names == ['plain-seed0.json', 'third-seed0.json']  # the others went on


def test_as_many_gradients_are_as_many(runs, tmp_path):
    seen, changed = runs
    changed |= {'ours-seed0': dict(gradients=4.0), 'twice-seed0': dict(gradients=4.0)}
    methods = dict(ours=Arm('a.py'), twice=Arm('b.py', times=2, costs_as='ours'))
    one = compared(tmp_path, methods=methods)
    one.run(['ours', 'twice'])
    changed['twice-seed1'] = dict(gradients=4.2)
    with pytest.raises(ValueError, match="'twice' took 4.20 epochs of gradients and 'ours' 4.00"):
        one.run(['twice'], [1])


@pytest.mark.slow
def test_a_whole_experiment_killed_and_resumed(tmp_path):
    """Two methods, two seeds, real tools; the first try is killed between training and tests.

    A card of what came out is verified, and one number of it that was changed is found.
    """
    path = write_experiment(tmp_path)
    killed = []

    def tools(tool, *words):
        if tool == 'robustness' and not killed:
            killed.append(words)
            raise KeyboardInterrupt
        return call_here(tool, *words)

    one = Comparison(
        read_experiment(str(path)), tmp_path / 'work', tmp_path / 'results', tools=tools
    )
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert not list((tmp_path / 'results').glob('*/*.json'))
    one.run()
    records = {f'{record["name"]}{record["seed"]}': record for record in one.records()}
    assert list(records) == ['dense0', 'dense1', 'magnitude0', 'magnitude1', 'sam0', 'sam1']
    assert records['magnitude1']['gradients'] == 1 and records['sam1']['gradients'] == 2
    cells = records['sam0']['outcomes']
    assert cells['clean, all']['images'] == 12 and cells['fog-3']['images'] == 6
    assert cells['pixel fgsm 0.0314']['images'] == 6
    trained = [line for line in records['dense0']['commands'] if 'train.py' in line]
    assert trained == []  # before the kill
    text = (tmp_path / 'results' / 'small' / 'README.md').read_text()
    assert '## Differences from magnitude' in text and '![Ranks](ranks.png)' in text
    assert (tmp_path / 'results' / 'small' / 'pareto.png').is_file()
    card = next(
        one
        for one in make_cards(one.experiment, tmp_path / 'work', tmp_path / 'results')
        if one.name == 'small-magnitude-seed1'
    )
    checks = verify_card(card, tmp_path / 'again', call_here)
    assert all(check.holds for check in checks)
    columns = ['clean, all', 'clean', 'mPC', 'rPC', 'pixel fgsm 0.0314']
    assert [check.column for check in checks] == columns and None not in [c.found for c in checks]
    lied = replace(card, numbers=card.numbers | {'pixel fgsm 0.0314': 99.0})
    checks = verify_card(lied, tmp_path / 'again', call_here)
    assert [check.column for check in checks if not check.holds] == ['pixel fgsm 0.0314']
