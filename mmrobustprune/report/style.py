"""One look for every picture: colours that survive colour blindness and grey printing, quiet axes."""
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

INK, QUIET = '#22262b', '#8a929c'
COLOURS = ('#2f5d8a', '#e0702b', '#3f9b6c', '#a3518f', '#c9a227', '#5bb0cf')
MARKS = ('o', 's', 'D', '^', 'v', 'P')

_LOOK = {
    'font.family': 'DejaVu Sans', 'font.size': 10, 'text.color': INK, 'axes.labelcolor': INK,
    'axes.titlesize': 11, 'axes.titleweight': 'bold', 'axes.titlelocation': 'left',
    'axes.edgecolor': QUIET, 'axes.spines.top': False, 'axes.spines.right': False, 'axes.axisbelow': True,
    'axes.grid': True, 'grid.color': '#e6e8eb', 'grid.linewidth': 0.8,
    'xtick.color': INK, 'ytick.color': INK, 'xtick.major.size': 0, 'ytick.major.size': 0,
    'legend.frameon': False, 'lines.linewidth': 2, 'lines.markersize': 6, 'savefig.dpi': 160,
}


def look() -> rc_context:
    """The context every figure is drawn in, so that the caller's own matplotlib settings stay as they are."""
    return rc_context(_LOOK)


def save(figure: Figure, path: str | Path) -> Path:
    """Write `figure` to `path` (PNG, SVG or PDF by its suffix), making the folder; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches='tight', facecolor='white')
    return path
