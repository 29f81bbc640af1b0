"""Scripts that were written for the first version still find the hook."""

from mmrobustprune.engine import PrunePhaseHook, phase_hook


def test_the_hook_is_that_of_the_present():
    assert phase_hook.PrunePhaseHook is PrunePhaseHook
