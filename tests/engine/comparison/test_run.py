"""What is called for one run, and what is not called again; test_drive runs whole experiments."""

from pathlib import Path

from mmrobustprune.engine.comparison.experiment import Arm, Experiment
from mmrobustprune.engine.comparison.job import Job
from mmrobustprune.engine.comparison.run import JobRun
from tests.support.comparing import CONFIG


def job(tmp_path, **fields):
    (tmp_path / 'half.py').write_text(CONFIG)
    (tmp_path / 'dense.pth').touch()
    given = dict(
        name='x',
        title='',
        base=str(tmp_path / 'half.py'),
        methods=dict(ours=Arm(str(tmp_path / 'half.py'))),
        epochs=2,
        size=(1, 1),
        weights=str(tmp_path / 'dense.pth'),
    )
    return Job(Experiment(**dict(given, **fields)), 'ours', 3, 2, tmp_path / 'work')


class Calls:
    """Tools that do nothing but fail in the second call."""

    def __init__(self):
        self.lines = []

    def __call__(self, tool, *words):
        self.lines.append([tool, *map(str, words)])
        if len(self.lines) == 2:
            raise KeyboardInterrupt
        return tool


def run(one):
    calls = Calls()
    try:
        JobRun(one, calls).finish()
    except KeyboardInterrupt:
        return calls.lines
    raise AssertionError('nothing was called')


def test_a_training_and_what_follows(tmp_path):
    one = job(tmp_path, suite='voc-c', severities=(1, 3), subset=5)
    train, suite = run(one)
    assert train[:5] == ['train', one.config, '--work-dir', str(one.folder), '--count-gradients']
    assert '--resume' not in train and 'randomness.seed=3' in train
    assert suite[0] == 'robustness' and Path(suite[2]).name == 'pruned.pth'
    assert ' '.join(suite[3:10]) == '--suite voc-c --severities 1 3 --subset 5'


def test_a_training_that_was_stopped_goes_on_and_one_that_is_over_does_not(tmp_path):
    one = job(tmp_path, attacks=dict(a='--attack fgsm', b='--attack pgd'))
    one.folder.mkdir(parents=True)
    (one.folder / 'last_checkpoint').touch()
    assert '--resume' in run(one)[0]
