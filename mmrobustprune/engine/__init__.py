"""The OpenMMLab side: OptimWrappers, hooks, loops and Runners; importing it mends what upstream broke."""
from . import compat  # noqa: I001  first: it mends what the others import
from .attacked_val import AttackedValLoop
from .channels_last import ChannelsLastHook
from .corruption_runner import CorruptionRunner
from .grouped_hook import GroupedKernelHook
from .loops import ResumableEpochLoop, ResumableIterLoop
from .mask_search_hook import MaskSearchHook
from .optim_wrapper import (
    AdaSAPOptimWrapper, AmpAdaSAPOptimWrapper, AmpASAMOptimWrapper, AmpAWPOptimWrapper, AmpSAMOptimWrapper, ASAMOptimWrapper,
    AWPOptimWrapper, SAMOptimWrapper)
from .phase_hook import PrunePhaseHook
from .recipes import RECIPES, build_recipe
from .replay import ReplayedBatchSampler
from .runner import PruneRunner
from .search_measure import SearchMeasureHook
from .train_runner import TrainRunner

__all__ = [
    'ASAMOptimWrapper', 'AWPOptimWrapper', 'AdaSAPOptimWrapper', 'AmpASAMOptimWrapper', 'AmpAWPOptimWrapper',
    'AmpAdaSAPOptimWrapper', 'AmpSAMOptimWrapper', 'AttackedValLoop', 'ChannelsLastHook', 'CorruptionRunner',
    'GroupedKernelHook', 'MaskSearchHook', 'PrunePhaseHook', 'PruneRunner', 'RECIPES', 'ReplayedBatchSampler',
    'ResumableEpochLoop', 'ResumableIterLoop', 'SAMOptimWrapper', 'SearchMeasureHook',
    'TrainRunner', 'build_recipe', 'compat']
