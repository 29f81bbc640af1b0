"""What the tests of figures share: a figure that is not written, and runs to draw."""

from matplotlib import image as files

from mmrobustprune.report.tables.grid import grids
from tests.report.records import run

LONG = 'AdaSAP, three quarters of the channels removed and distilled'


def holds_an_image(path):
    pixels = files.imread(path)[..., :3]
    return min(pixels.shape[:2]) > 150 and pixels.std() > 0.02


def figure_of(monkeypatch, room, draw, *words):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    draw('x.png', *words)
    return seen[0]


def many_runs(count, kinds, levels, whole=1, **changes):
    names = ('dense', LONG, *(f'model {at}' for at in range(2, count)))[:count]
    slopes = [0.1 + 0.005 * at for at in range(count)]
    runs = [
        run(name, kinds=kinds, levels=levels, whole=whole, slope=slope, **changes)
        for name, slope in zip(names, slopes, strict=True)
    ]
    return grids(runs)


def records(*values, key='lambda_max', first=1):
    return [{'epoch': first + at, key: value} for at, value in enumerate(values)]
