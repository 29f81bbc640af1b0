"""The OpenMMLab side: OptimWrappers, hooks, loops, Runners; imports of it mend upstream."""

from mmrobustprune.compat import fixes  # noqa: F401, I001  first: it mends what the others import
from .attacks.val_loop import AttackedValLoop
from .bridge.channels_last import ChannelsLastHook
from .robustness.runner import CorruptionRunner
from .grouped.hook import GroupedKernelHook
from .resuming.loops import ResumableEpochLoop, ResumableIterLoop
from .search.hook import MaskSearchHook
from .optim.optim_wrapper import (
    AdaSAPOptimWrapper,
    AmpAdaSAPOptimWrapper,
    AmpASAMOptimWrapper,
    AmpAWPOptimWrapper,
    AmpSAMOptimWrapper,
    ASAMOptimWrapper,
    AWPOptimWrapper,
    SAMOptimWrapper,
)
from .gradual.hook import PrunePhaseHook
from mmrobustprune.recipes.build import RECIPES, build_recipe
from mmrobustprune.datasets.samplers import ReplayedBatchSampler
from .runners.count_gradients import CountGradientsHook
from .runners.prune import PruneRunner
from .search.measure_hook import SearchMeasureHook
from .runners.train import TrainRunner

__all__ = [
    'ASAMOptimWrapper',
    'AWPOptimWrapper',
    'AdaSAPOptimWrapper',
    'AmpASAMOptimWrapper',
    'AmpAWPOptimWrapper',
    'AmpAdaSAPOptimWrapper',
    'AmpSAMOptimWrapper',
    'AttackedValLoop',
    'ChannelsLastHook',
    'CorruptionRunner',
    'CountGradientsHook',
    'GroupedKernelHook',
    'MaskSearchHook',
    'PrunePhaseHook',
    'PruneRunner',
    'RECIPES',
    'ReplayedBatchSampler',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'SAMOptimWrapper',
    'SearchMeasureHook',
    'TrainRunner',
    'build_recipe',
]
