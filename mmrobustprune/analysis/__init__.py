"""What a network's accuracy rests on: high and low frequencies of its pictures."""
from .frequency import FrequencyFilter, radii, split

__all__ = ['FrequencyFilter', 'radii', 'split']
