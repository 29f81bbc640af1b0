"""What a network's accuracy rests on, and how sharp and how stable a search for a mask is."""

from .curvature import Curvature, lambda_max
from .frequency import FrequencyFilter, radii, split
from .loss_difference import LossDifference, loss_difference, mean_difference
from .stability import Difference, Hamming, Stability, hamming, signed_difference

__all__ = [
    'Curvature',
    'Difference',
    'FrequencyFilter',
    'Hamming',
    'LossDifference',
    'Stability',
    'hamming',
    'lambda_max',
    'loss_difference',
    'mean_difference',
    'radii',
    'signed_difference',
    'split',
]
