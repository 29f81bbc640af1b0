"""What a network costs and what became of it: counts, times, tables, figures."""

from mmrobustprune.cost.count import PLAIN, SR_GKP, Cost, CountingRule, count, device_stamp, latency

from .tables.tree import as_text, layer_table, width_tree

__all__ = [
    'PLAIN',
    'SR_GKP',
    'Cost',
    'CountingRule',
    'as_text',
    'count',
    'device_stamp',
    'latency',
    'layer_table',
    'width_tree',
]
