"""What a network costs: parameters, multiply-accumulates, time."""

from .count import PLAIN, SR_GKP, Cost, Rule, count, device_stamp, latency
from .model import CostModel

__all__ = ['Cost', 'CostModel', 'PLAIN', 'Rule', 'SR_GKP', 'count', 'device_stamp', 'latency']
