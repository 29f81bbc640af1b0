"""What a pruned network is: its record, and the network that the record gives."""

from .rebuild import rebuild
from .record import Structure, load_structure, save_structure

__all__ = ['Structure', 'load_structure', 'rebuild', 'save_structure']
