"""The OpenMMLab side: OptimWrappers, hooks, loops and Runners; importing it mends what upstream broke."""
from . import compat  # noqa: I001  first: it mends what the others import
from .attacked_val import AttackedValLoop
from .channels_last import ChannelsLastHook
from .corruption_runner import CorruptionRunner
from .grouped_hook import GroupedKernelHook
from .loops import ResumableEpochLoop, ResumableIterLoop
from .optim_wrapper import (
    AdaSAPOptimWrapper, AmpAdaSAPOptimWrapper, AmpASAMOptimWrapper, AmpAWPOptimWrapper, AmpSAMOptimWrapper, ASAMOptimWrapper,
    AWPOptimWrapper, SAMOptimWrapper)
from .phase_hook import PrunePhaseHook
from .recipes import RECIPES, build_recipe
from .replay import ReplayedBatchSampler
from .resume import ResumableRunner
from .runner import PruneRunner

__all__ = [
    'ASAMOptimWrapper', 'AWPOptimWrapper', 'AdaSAPOptimWrapper', 'AmpASAMOptimWrapper', 'AmpAWPOptimWrapper',
    'AmpAdaSAPOptimWrapper', 'AmpSAMOptimWrapper', 'AttackedValLoop', 'ChannelsLastHook', 'CorruptionRunner',
    'GroupedKernelHook', 'PrunePhaseHook', 'PruneRunner', 'RECIPES', 'ReplayedBatchSampler',
    'ResumableEpochLoop', 'ResumableIterLoop', 'ResumableRunner', 'SAMOptimWrapper',
    'build_recipe', 'compat']
