"""What a checkpoint holds for a continuation; whole trainings that are killed are in test_loops."""

import torch
from mmengine.hooks import CheckpointHook, EarlyStoppingHook

from mmrobustprune.engine.optim.optim_wrapper import SAMOptimWrapper
from mmrobustprune.engine.resuming import resume
from mmrobustprune.engine.resuming.resume import load_resume_state, resume_state
from mmrobustprune.sharpness import S2AP
from tests.support import toy


class Attacker(toy.ToyNet):
    """A network whose attack goes on from batch to batch."""

    def __init__(self):
        super().__init__()
        self.start = torch.zeros(2)

    def resume_state(self):
        return dict(start=self.start)

    def load_resume_state(self, state):
        self.start = state['start']


def trained(tmp_path, **options):
    """A Runner that stands at its first iteration, its loop built."""
    runner = toy.build(tmp_path, **options)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    return runner


def test_the_entry_is_plain_data_of_every_rank(tmp_path):
    runner = trained(tmp_path)
    runner.model._input_size = (4, 1)
    runner.train_loop.done = 3
    state = resume_state(runner)
    assert (state['epoch'], state['done'], state['validated']) == (0, 3, False)
    (own,) = state['ranks']
    assert own['input_sizes'] == {'': (4, 1)} and own['sample_seed'] == runner.seed
    assert own['model'] == {} and own['buffers'] == {} and own['gradients'] == {}
    torch.save(state, tmp_path / 'state.pth')
    torch.load(tmp_path / 'state.pth', weights_only=True)


def test_what_of_a_rule_is_a_process_s_own_comes_along(tmp_path, monkeypatch):
    runner = trained(tmp_path)
    runner.optim_wrapper = SAMOptimWrapper(runner.optim_wrapper.optimizer, rule=S2AP(carry=True))
    runner.optim_wrapper.rule.load_state_dict(dict(z={'a.scores': torch.ones(2)}))
    assert resume_state(runner)['ranks'][0]['rule'] == {}  # the pruning keeps the main process's
    monkeypatch.setattr(resume, 'get_rank', lambda: 1)
    (own,) = resume_state(runner)['ranks']
    assert own['rule']['z']['a.scores'].tolist() == [1.0, 1.0]


def test_it_is_taken_up_by_another_runner(tmp_path):
    first = trained(tmp_path / 'a')
    first.model._input_size = (4, 1)
    first.train_loop.done = 3
    torch.rand(5)
    state = resume_state(first)
    second = trained(tmp_path / 'b', seed=9)
    load_resume_state(second, state)
    assert second.model._input_size == (4, 1)
    assert second.train_loop.dataloader.dataset.sample_seed == first.seed
    assert second.train_loop.resumed == dict(
        epoch=0, done=3, validated=False, generators=state['ranks'][0]['generators']
    )


def test_what_a_network_keeps_beside_its_weights_comes_along(tmp_path):
    first = trained(tmp_path / 'a')
    first.model = Attacker()
    first.model.start += 2
    second = trained(tmp_path / 'b')
    second.model = Attacker()
    load_resume_state(second, resume_state(first, gradients=False))
    assert second.model.start.tolist() == [2, 2]


def test_a_checkpoint_of_other_tools_is_gone_on_with_and_said(tmp_path):
    runner = trained(tmp_path)
    said = []
    runner.logger.warning, warn = said.append, runner.logger.warning
    load_resume_state(runner, None)
    runner.logger.warning = warn
    assert len(said) == 1 and 'not bit for bit' in said[0]
    assert runner.train_loop.resumed is None


def test_early_stopping_decides_before_the_checkpoint_is_written(tmp_path):
    runner = toy.build(
        tmp_path, hooks=[dict(type='EarlyStoppingHook', monitor='mean', rule='less')]
    )
    kinds = [type(hook) for hook in runner.hooks]
    assert kinds.index(EarlyStoppingHook) < kinds.index(CheckpointHook)
