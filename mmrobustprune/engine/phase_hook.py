"""`mmrobustprune.engine.phase_hook`, where the hook stood in the first version; use `engine`."""

from mmrobustprune.engine.gradual.hook import PrunePhaseHook

__all__ = ['PrunePhaseHook']
