"""One corruption of one image: a function of image, corruption, severity and seed alone."""
from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np

from .suites import ALL, SEVERITIES, nearest

try:
    import imagecorruptions
    from numba import _helperlib as _numba
    from numba.core.dispatcher import Dispatcher
    from PIL import Image
except ImportError as error:
    raise ImportError(
        f"corruptions need the module 'imagecorruptions' and it does not import ({error}); "
        'pip install imagecorruptions-imaug.') from error

SMALLEST = 32   # pixels; the published functions are not defined below
_LUMA = np.array([.299, .587, .114])   # ITU-R 601


def apply(image: np.ndarray, corruption: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupt one image by the ImageNet-C functions (Hendrycks, Dietterich, arXiv 1903.12261).

    The random numbers come from blake2b(image, corruption, severity, seed): neither the order of
    calls nor the process nor the image's name matters, and the global generators are left as they
    were.

    Args:
        image: (H, W, 3) in **RGB**, or grey as (H, W) or (H, W, 1); uint8, values 0 to 255. A grey
            image is corrupted as the RGB image it stands for and converted back; a side under 32
            pixels is extended by mirroring to the 32 that the functions need and cut back.
        corruption: one of `suites.ALL`.
        severity: 1 to 5.
        seed: any integer; the suite's seed.
    Returns:
        uint8 of the same shape; the argument is left as it was.
    Raises:
        TypeError: not a uint8 array.
        ValueError: an unknown corruption or severity, or a shape that is no image.
    """
    _check(image, corruption, severity)
    grey = image.ndim == 2 or image.shape[2] == 1
    rgb = image.reshape(*image.shape[:2], -1)
    rgb = np.ascontiguousarray(np.broadcast_to(rgb, (*image.shape[:2], 3)))
    height, width = rgb.shape[:2]
    if min(height, width) < SMALLEST:
        room = ((0, max(0, SMALLEST - height)), (0, max(0, SMALLEST - width)), (0, 0))
        rgb = np.pad(rgb, room, 'symmetric')
    words = _entropy(rgb, corruption, severity, seed)
    with _private_generators(words):
        out = _FUNCTIONS[corruption](rgb, severity, words)
    if not np.isfinite(out).all():   # spatter divides by the largest drop: 0 where none fell
        out = np.where(np.isfinite(out), out, rgb)
    out = np.uint8(out)[:height, :width]   # truncated, as the published sets were
    if grey:
        return np.rint(out @ _LUMA).astype(np.uint8).reshape(image.shape)
    return np.ascontiguousarray(out)


def _check(image: np.ndarray, corruption: str, severity: int) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(
            f'{corruption} got an image of {kind}; give a uint8 array with values 0 to 255.')
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3) or 0 in image.shape:
        raise ValueError(
            f'{corruption} got an image of shape {image.shape}; give (H, W, 3) in RGB or grey '
            '(H, W), at least one pixel.')
    if corruption not in ALL:
        raise ValueError(f"corruption '{corruption}' is unknown{nearest(corruption, ALL)}; choose "
                         f"among {', '.join(ALL)}.")
    whole = isinstance(severity, (int, np.integer)) and not isinstance(severity, bool)
    if not whole or severity not in SEVERITIES:
        raise ValueError(f'severity {severity!r} is not in 1..5; choose one of them.')


def _entropy(rgb: np.ndarray, corruption: str, severity: int, seed: int) -> np.ndarray:
    """Eight 32-bit words; every one depends on all the arguments."""
    key = f'{rgb.shape} {corruption} {int(severity)} {int(seed)}'
    digest = hashlib.blake2b(key.encode(), digest_size=32)
    digest.update(rgb)
    return np.frombuffer(digest.digest(), dtype='<u4')


@contextmanager
def _private_generators(words: np.ndarray) -> Iterator[None]:
    """NumPy's global generator and numba's own seeded from `words` inside, as they were outside."""
    pointer = _numba.rnd_get_np_state_ptr()
    before, before_numba = np.random.get_state(), _numba.rnd_get_state(pointer)
    try:
        np.random.seed(words)
        _numba.rnd_seed(pointer, int(words[0]))
        yield
    finally:
        np.random.set_state(before)
        _numba.rnd_set_state(pointer, before_numba)


def _impulse_noise(rgb: np.ndarray, severity: int, words: np.ndarray) -> np.ndarray:
    """Salt and pepper, half each; the published function draws from a generator nobody seeds."""
    amount = (.03, .06, .09, .17, .27)[severity - 1]
    hit, salt = np.random.random(rgb.shape) <= amount, np.random.random(rgb.shape) <= .5
    return np.where(hit, np.where(salt, 255, 0), rgb)


def _published_function(rgb: np.ndarray, severity: int, words: np.ndarray, *, function: Callable
                        ) -> np.ndarray:
    return np.asarray(function(Image.fromarray(rgb), severity))


def _self_seeding(rgb: np.ndarray, severity: int, words: np.ndarray, *, function: Callable
                  ) -> np.ndarray:
    """A function that seeds numba by its argument; without one it asks the system."""
    return np.asarray(function(Image.fromarray(rgb), severity, seed=int(words[0])))


def _bind(function: Callable) -> Callable[[np.ndarray, int, np.ndarray], np.ndarray]:
    seeds_itself = 'seed' in inspect.signature(function).parameters
    return partial(_self_seeding if seeds_itself else _published_function, function=function)


_FUNCTIONS = {name: _bind(imagecorruptions.corruption_dict[name]) for name in ALL}
_FUNCTIONS['impulse_noise'] = _impulse_noise

for _function in vars(imagecorruptions.corruptions).values():   # seconds per process to compile
    if isinstance(_function, Dispatcher):
        with suppress(RuntimeError):   # no folder that can be written: it works without the cache
            _function.enable_caching()
