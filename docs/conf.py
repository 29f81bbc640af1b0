"""How the documentation is built: `sphinx-build -W docs work_dirs/docs`."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

import generate  # noqa: E402

import mmrobustprune  # noqa: E402

project = 'mmrobustprune'
author = 'the authors of mmrobustprune'
release = mmrobustprune.__version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.mathjax', 'sphinx.ext.napoleon']
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3
exclude_patterns = ['images', 'results/*/table.md']
html_theme = 'furo'
html_title = 'mmrobustprune'
default_role = 'literal'  # docstrings write code in single backticks
autodoc_typehints = 'none'  # the signatures have them
autodoc_member_order = 'bysource'
napoleon_use_ivar = True
suppress_warnings = ['misc.highlighting_failure']


def escape_bars(app, what, name, obj, options, lines):
    """|w| is a norm in our docstrings, not a substitution."""
    lines[:] = [line.replace('|', '\\|') for line in lines]


def setup(app):
    app.connect('autodoc-process-docstring', escape_bars)
    app.connect('builder-inited', lambda app: generate.write_all(DOCS / 'reference'))
