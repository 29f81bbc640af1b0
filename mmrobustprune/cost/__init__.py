"""What a network costs: parameters, multiply-accumulates, time."""

from .count import PLAIN, SR_GKP, Cost, CountingRule, count, device_stamp, latency
from .model import CostModel

__all__ = [
    'Cost',
    'CostModel',
    'PLAIN',
    'CountingRule',
    'SR_GKP',
    'count',
    'device_stamp',
    'latency',
]
