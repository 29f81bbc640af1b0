"""Textured scenes with geometric shapes: images and boxes from a random generator."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

# Signed distance to the outline of a shape of radius one at (u, v), v downwards; negative inside.
Outline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _star(u: np.ndarray, v: np.ndarray, inner: float = 0.46) -> np.ndarray:
    radius = np.hypot(u, v)
    half = np.pi / 5
    fold = np.abs((np.arctan2(u, -v) + half) % (2 * half) - half)  # 0 at a tip, `half` at a notch
    x = radius * np.cos(fold)
    y = radius * np.sin(fold)
    edge = np.array([inner * np.cos(half) - 1, inner * np.sin(half)])
    edge /= np.hypot(*edge)
    return edge[1] * (x - 1) - edge[0] * y


OUTLINES: dict[str, Outline] = {
    'disc': lambda u, v: np.hypot(u, v) - 1,
    'ring': lambda u, v: np.abs(np.hypot(u, v) - 0.71) - 0.29,
    'square': lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.84,
    'triangle': lambda u, v: np.maximum(0.866 * np.abs(u) - 0.5 * v, v) - 0.52,
    'star': _star,
}
CLASSES = tuple(OUTLINES)
PALETTE = [(76, 201, 240), (247, 127, 0), (128, 237, 153), (255, 89, 148), (255, 209, 102)]


@dataclass(frozen=True)
class Scene:
    """One image.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        boxes: (n, 4) pixels x1 y1 x2 y2.
        labels: (n,) into CLASSES.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def _colour(rng: np.random.Generator, saturation: tuple, value: tuple) -> np.ndarray:
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.array(rgb, np.float32) * 255


def _clouds(rng: np.random.Generator, size: int, octaves: int = 5) -> np.ndarray:
    """Fractal noise (size, size) in [0, 1]."""
    field = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        grid = rng.random((2 ** (octave + 1) + 1,) * 2, np.float32)
        field += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    low = field.min()
    return (field - low) / (field.max() - low)


def _waves(rng: np.random.Generator, size: int, period: float) -> np.ndarray:
    """Parallel stripes (size, size) in [0, 1] at a random angle; `period` in pixels."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    first = _colour(rng, (0.05, 0.45), (0.2, 0.8))
    second = _colour(rng, (0.05, 0.45), (0.2, 0.8))
    weave = _clouds(rng, size)
    if rng.random() < 0.5:
        weave = 0.7 * weave + 0.3 * _waves(rng, size, rng.uniform(6, 40))
    scene = first + (second - first) * weave[..., None]
    return scene + rng.normal(0, 4, (size, size, 1)).astype(np.float32)


def _fill(rng: np.random.Generator, size: int, ground: float) -> np.ndarray:
    """A textured fill (size, size, 3), lighter than a dark `ground` and darker than a light one.

    `ground` is from 0 to 255.
    """
    value = (0.15, 0.45) if ground > 128 else (0.75, 1.0)
    first = _colour(rng, (0.45, 1.0), value)
    pattern = [
        np.zeros((size, size), np.float32),
        _clouds(rng, size),
        (_waves(rng, size, rng.uniform(6, 14)) > 0.5).astype(np.float32),
    ][rng.integers(3)]
    second = np.clip(first * rng.uniform(0.55, 0.8) + rng.uniform(0, 40), 0, 255)
    return first + (second - first) * pattern[..., None]


def _overlaps(box: np.ndarray, others: list[np.ndarray], allowed: float) -> bool:
    for other in others:
        wide = min(box[2], other[2]) - max(box[0], other[0])
        high = min(box[3], other[3]) - max(box[1], other[1])
        smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
        if wide > 0 and high > 0 and wide * high > allowed * smaller:
            return True
    return False


@dataclass(frozen=True)
class _Shape:
    """A shape at its place.

    Attributes:
        label: into CLASSES.
        window: rows and columns of the image.
        cover: (h, w, 1) in [0, 1], how much of each pixel of the window it covers.
        shade: (h, w, 1), its brightness there.
        box: x1 y1 x2 y2 in the image, pixels.
    """

    label: int
    window: tuple[slice, slice]
    cover: np.ndarray
    shade: np.ndarray
    box: np.ndarray


def _shape(rng: np.random.Generator, size: int) -> _Shape:
    """A shape of a random kind at a random place."""
    label = int(rng.integers(len(CLASSES)))
    radius = size * rng.uniform(0.10, 0.24)
    middle = rng.uniform(radius, size - radius, 2)
    angle = rng.uniform(-0.6, 0.6)
    stretch = rng.uniform(0.8, 1.25)
    low = np.maximum(middle - 1.5 * radius, 0).astype(int)
    high = np.minimum(middle + 1.5 * radius, size).astype(int)
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32) + 0.5
    x = (columns - middle[0]) / radius
    y = (rows - middle[1]) / radius
    u = (x * np.cos(angle) + y * np.sin(angle)) * stretch
    v = y * np.cos(angle) - x * np.sin(angle)
    cover = np.clip(0.5 - OUTLINES[CLASSES[label]](u, v) * radius, 0, 1).astype(np.float32)
    across = np.flatnonzero(cover.max(0) > 0.5)
    down = np.flatnonzero(cover.max(1) > 0.5)
    box = np.array([across[0], down[0], across[-1] + 1, down[-1] + 1], np.float32)
    return _Shape(
        label=label,
        window=np.s_[low[1] : high[1], low[0] : high[0]],
        cover=cover[..., None],
        shade=1 - 0.1 * v[..., None],
        box=box + np.tile(low, 2),
    )


def draw_scene(rng: np.random.Generator, size: int = 192, most: int = 4) -> Scene:
    """Draw 1 to `most` shapes with shadow and texture on a textured ground.

    They overlap by a tenth at most.
    """
    canvas = _background(rng, size)
    boxes: list[np.ndarray] = []
    labels: list[int] = []
    for _ in range(rng.integers(1, most + 1)):
        for _ in range(20):  # a place without much overlap, or one shape fewer
            shape = _shape(rng, size)
            if not _overlaps(shape.box, boxes, 0.1):
                break
        else:
            continue
        _paint(rng, canvas, shape)
        boxes.append(shape.box)
        labels.append(shape.label)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    return Scene(image, np.stack(boxes), np.array(labels))


def _paint(rng: np.random.Generator, canvas: np.ndarray, shape: _Shape) -> None:
    """Lay a shape and its shadow on the canvas (size, size, 3)."""
    size = len(canvas)
    cover = shape.cover
    ground = canvas[shape.window]
    moved = np.roll(cover, (size // 48, size // 64), (0, 1))
    shadow = cv2.GaussianBlur(moved, (0, 0), size / 64)
    ground *= 1 - 0.45 * shadow[..., None]
    brightness = float((ground * cover).sum() / cover.sum() / 3)
    fill = _fill(rng, max(cover.shape), brightness)[: cover.shape[0], : cover.shape[1]]
    ground += (fill * shape.shade - ground) * cover
