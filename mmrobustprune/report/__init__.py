"""What a network costs and what became of it: counts, times, tables, curves, pictures."""
from .cost import Cost, count, device_stamp, latency
from .tree import as_text, layer_table, width_tree

__all__ = ['Cost', 'as_text', 'count', 'device_stamp', 'latency', 'layer_table', 'width_tree']
