"""How much a channel matters."""

from __future__ import annotations

from mmrobustprune.naming import build

from .base import Score, Watching
from .bn_scale import BNScale
from .data_flow import DataFlow
from .feature_maps import FeatureMaps
from .feature_rank import FeatureRank
from .filter_norm import FilterNorm
from .fpgm import FPGM
from .hessian import Hessian
from .magnitude import Magnitude
from .random import Random
from .smooth_mix import SmoothMix
from .taylor import HALPTaylor, InputTaylor, Taylor, TaylorBN

SCORES: dict[str, type[Score]] = {
    cls.__name__: cls
    for cls in (
        Magnitude,
        FilterNorm,
        Taylor,
        TaylorBN,
        HALPTaylor,
        InputTaylor,
        BNScale,
        Random,
        FPGM,
        SmoothMix,
        FeatureRank,
        Hessian,
        DataFlow,
    )
}

__all__ = [
    'BNScale',
    'DataFlow',
    'FPGM',
    'FeatureMaps',
    'FeatureRank',
    'FilterNorm',
    'HALPTaylor',
    'Hessian',
    'InputTaylor',
    'Magnitude',
    'Random',
    'SCORES',
    'Score',
    'SmoothMix',
    'Taylor',
    'TaylorBN',
    'Watching',
    'build_score',
]


def build_score(config: dict | str | Score) -> Score:
    """The score of a config such as `dict(type='Magnitude', p=2)`, of a name, or itself.

    Raises:
        ValueError: an unknown type or field; the nearest known name is named.
        TypeError: anything else.
    """
    config = dict(type=config) if isinstance(config, str) else config
    return build(config, 'score', Score, SCORES, "score=dict(type='Magnitude', p=2)")
