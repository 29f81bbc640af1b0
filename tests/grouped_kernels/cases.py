"""Similarities to search in."""

import torch


def similarity(groups, channels, levels, seed):
    """Similarities (n, C, C), 1 on the diagonal and at most 1, and roughness (n, C).

    They are multiples of 1 / levels: sums are exact and, at few levels, often equal.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (groups, channels, channels)
    distance = torch.randint(0, 2 * levels + 1, shape, generator=generator).double() / levels
    distance = distance.triu(1) + distance.triu(1).transpose(1, 2)
    rough = torch.randint(0, 4 * levels, (groups, channels), generator=generator).double() / levels
    return 1 - distance, rough
