"""Textured scenes with geometric shapes: images and boxes from a random generator, numpy and OpenCV only."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

# Signed distance to the outline of a shape of radius one at (u, v), v downwards; negative inside.
Outline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _star(u: np.ndarray, v: np.ndarray, inner: float = 0.46) -> np.ndarray:
    radius, half = np.hypot(u, v), np.pi / 5
    fold = np.abs((np.arctan2(u, -v) + half) % (2 * half) - half)  # 0 at a tip, `half` at a notch
    x, y = radius * np.cos(fold), radius * np.sin(fold)
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
    """One image: `image` (size, size, 3) uint8 RGB, `boxes` (n, 4) pixels x1 y1 x2 y2, `labels` (n,) into CLASSES."""

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
    low, high = field.min(), field.max()
    return (field - low) / (high - low)


def _waves(rng: np.random.Generator, size: int, period: float) -> np.ndarray:
    """Parallel stripes (size, size) in [0, 1] at a random angle; `period` in pixels."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    first, second = (_colour(rng, (0.05, 0.45), (0.2, 0.8)) for _ in range(2))
    weave = _clouds(rng, size)
    if rng.random() < 0.5:
        weave = 0.7 * weave + 0.3 * _waves(rng, size, rng.uniform(6, 40))
    scene = first + (second - first) * weave[..., None]
    return scene + rng.normal(0, 4, (size, size, 1)).astype(np.float32)


def _fill(rng: np.random.Generator, size: int, ground: float) -> np.ndarray:
    """A textured fill (size, size, 3), lighter than a dark `ground` (0 to 255) and darker than a light one."""
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
        areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
        if wide > 0 and high > 0 and wide * high > allowed * min(areas):
            return True
    return False


def _shape(
    rng: np.random.Generator, size: int
) -> tuple[int, tuple, np.ndarray, np.ndarray, np.ndarray]:
    """A shape at a random place: label, window (rows, columns), cover in [0, 1] and shade there, box in the image."""
    label = int(rng.integers(len(CLASSES)))
    radius = size * rng.uniform(0.10, 0.24)
    middle = rng.uniform(radius, size - radius, 2)
    angle, stretch = rng.uniform(-0.6, 0.6), rng.uniform(0.8, 1.25)
    low = np.maximum(middle - 1.5 * radius, 0).astype(int)
    high = np.minimum(middle + 1.5 * radius, size).astype(int)
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32) + 0.5
    x, y = (x - middle[0]) / radius, (y - middle[1]) / radius
    u, v = (x * np.cos(angle) + y * np.sin(angle)) * stretch, y * np.cos(angle) - x * np.sin(angle)
    cover = np.clip(0.5 - OUTLINES[CLASSES[label]](u, v) * radius, 0, 1).astype(np.float32)
    columns, rows = np.flatnonzero(cover.max(0) > 0.5), np.flatnonzero(cover.max(1) > 0.5)
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32) + np.tile(
        low, 2
    )
    return (
        label,
        np.s_[low[1] : high[1], low[0] : high[0]],
        cover[..., None],
        1 - 0.1 * v[..., None],
        box,
    )


def draw_scene(rng: np.random.Generator, size: int = 192, most: int = 4) -> Scene:
    """Draw 1 to `most` shapes with shadow and texture on a textured ground; they overlap by a tenth at most."""
    canvas = _background(rng, size)
    boxes: list[np.ndarray] = []
    labels: list[int] = []
    for _ in range(rng.integers(1, most + 1)):
        for _ in range(20):  # a place without much overlap, or one shape fewer
            label, window, cover, shade, box = _shape(rng, size)
            if not _overlaps(box, boxes, 0.1):
                break
        else:
            continue
        ground = canvas[window]
        shadow = cv2.GaussianBlur(
            np.roll(cover, (size // 48, size // 64), (0, 1)), (0, 0), size / 64
        )
        ground *= 1 - 0.45 * shadow[..., None]
        brightness = float((ground * cover).sum() / cover.sum() / 3)
        fill = _fill(rng, max(cover.shape), brightness)[: cover.shape[0], : cover.shape[1]]
        ground += (fill * shade - ground) * cover
        boxes.append(box)
        labels.append(label)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    return Scene(image, np.stack(boxes), np.array(labels))
