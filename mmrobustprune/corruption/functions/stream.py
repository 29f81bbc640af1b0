"""NumPy's legacy stream of random numbers (MT19937), compiled: the same numbers in half the time.

Every function takes numbers from the stream in the order in which `numpy.random.RandomState` does
and leaves it where that leaves it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .compiling import compiled

_WORDS = 624  # that the generator makes at a time
_MIDDLE = 397
_LEFT = 4  # room before them for words that were left, so that no number lies over the end
_END = _LEFT + _WORDS
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_TWIST = np.uint32(0x9908B0DF)


class Twister(NamedTuple):
    """Where a stream stands.

    Attributes:
        key: (624,) uint32, the generator's state.
        words: (628,) uint32, what was made of it.
        at: (1,) int64, the next word.
        spare: (2,) float64, whether a normal number is left of the last pair, and which.
    """

    key: np.ndarray
    words: np.ndarray
    at: np.ndarray
    spare: np.ndarray


def stream_of(seed: int | np.ndarray) -> Twister:
    """The stream of `RandomState(seed)` at its beginning."""
    key = np.random.RandomState(seed).get_state()[1].copy()
    return Twister(key, np.empty(_END, np.uint32), np.array([_END]), np.zeros(2))


@compiled
def _twist(key, i, following, far):
    y = (key[i] & _UPPER) | (key[following] & _LOWER)
    key[i] = key[far] ^ (y >> np.uint32(1)) ^ ((np.uint32(0) - (y & np.uint32(1))) & _TWIST)


@compiled
def _more(stream, at):
    """Make the next words; the place of the first one, or of those that were left."""
    key = stream.key
    words = stream.words
    left = _END - at
    for i in range(left):
        words[_LEFT - left + i] = words[at + i]
    for i in range(_WORDS - _MIDDLE):
        _twist(key, i, i + 1, i + _MIDDLE)
    for i in range(_WORDS - _MIDDLE, _WORDS - 1):
        _twist(key, i, i + 1, i + _MIDDLE - _WORDS)
    _twist(key, _WORDS - 1, 0, _MIDDLE - 1)
    for i in range(_WORDS):
        y = key[i]
        y ^= y >> np.uint32(11)
        y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
        y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
        words[_LEFT + i] = y ^ (y >> np.uint32(18))
    return _LEFT - left


@compiled
def _double(words, at):
    """A number in [0, 1) of 53 bits, from two words."""
    high = words[at] >> np.uint32(5)
    return (high * 67108864.0 + (words[at + 1] >> np.uint32(6))) / 9007199254740992.0


@compiled
def fill_uniform(stream, low, span, out):
    """As `RandomState.uniform(low, low + span)` for a line of numbers."""
    words = stream.words
    at = stream.at[0]
    done = 0
    while done < len(out):
        if at > _END - 2:
            at = _more(stream, at)
        count = min((_END - at) // 2, len(out) - done)
        for i in range(count):
            out[done + i] = low + span * _double(words, at + 2 * i)
        at += 2 * count
        done += count
    stream.at[0] = at


@compiled
def fill_normal(stream, loc, scale, out):
    """As `RandomState.normal(loc, scale)` for a line of numbers: Marsaglia's polar method."""
    words = stream.words
    at = stream.at[0]
    done = 0
    if len(out) and stream.spare[0] > 0:
        out[0] = loc + scale * stream.spare[1]
        stream.spare[0] = 0
        done = 1
    while done < len(out):
        if at > _END - 4:
            at = _more(stream, at)
        x = 2.0 * _double(words, at) - 1.0
        y = 2.0 * _double(words, at + 2) - 1.0
        at += 4
        square = x * x + y * y
        if square >= 1.0 or square == 0.0:
            continue
        factor = math.sqrt(-2.0 * math.log(square) / square)
        out[done] = loc + scale * (factor * y)
        if done + 1 < len(out):
            out[done + 1] = loc + scale * (factor * x)
        else:
            stream.spare[0] = 1
            stream.spare[1] = factor * x
        done += 2
    stream.at[0] = at


@compiled
def fill_below(stream, limit, first, out):
    """Whole numbers in [first, first + limit), as `RandomState.randint` of int64, limit < 2^32."""
    mask = np.uint32(limit - 1)
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> np.uint32(shift)
    words = stream.words
    at = stream.at[0]
    done = 0
    while done < len(out):
        if at == _END:
            at = _more(stream, at)
        found = np.int64(words[at] & mask)
        at += 1
        if found < limit:
            out[done] = first + found
            done += 1
    stream.at[0] = at


@compiled
def fill_photons(stream, levels, means, out):
    """As `RandomState.poisson(means[levels])`.

    Multiplication of uniform numbers below a mean of 10, transformed rejection (Hoermann, 1993)
    from there; what depends on the mean alone is computed once for each level.

    Args:
        levels: a line of places in `means`.
        means: at least 0.
        out: of the levels' shape.
    """
    words = stream.words
    at = stream.at[0]
    ends = np.exp(-means)
    b = 0.931 + 2.53 * np.sqrt(means)
    a = -0.059 + 0.02483 * b
    inverse = np.log(1.1239 + 1.1328 / (b - 3.4))
    sure = 0.9277 - 3.6224 / (b - 2)
    logs = np.log(means)
    for i in range(len(levels)):
        level = levels[i]
        mean = means[level]
        count = 0
        while mean >= 10:
            if at > _END - 4:
                at = _more(stream, at)
            u = _double(words, at) - 0.5
            v = _double(words, at + 2)
            at += 4
            rim = 0.5 - abs(u)
            count = int(math.floor((2 * a[level] / rim + b[level]) * u + mean + 0.43))
            if rim >= 0.07 and v <= sure[level]:
                break
            if count < 0 or (rim < 0.013 and v > rim):
                continue
            share = math.log(v) + inverse[level] - math.log(a[level] / (rim * rim) + b[level])
            if share <= -mean + count * logs[level] - math.lgamma(count + 1.0):
                break
        if 0 < mean < 10:
            product = 1.0
            while True:
                if at > _END - 2:
                    at = _more(stream, at)
                product *= _double(words, at)
                at += 2
                if product <= ends[level]:
                    break
                count += 1
        out[i] = count
    stream.at[0] = at
