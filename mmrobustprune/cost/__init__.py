"""What a network costs: parameters, multiply-accumulates, time."""

from .count import PLAIN, RULES, SR_GKP, Cost, CountingRule, count, device_stamp, latency, total
from .model import CostModel

__all__ = [
    'Cost',
    'CostModel',
    'PLAIN',
    'CountingRule',
    'RULES',
    'SR_GKP',
    'count',
    'device_stamp',
    'latency',
    'total',
]
