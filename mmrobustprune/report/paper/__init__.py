"""Tables of the papers, filled from recorded runs: data, and one function that fills them."""

from mmrobustprune.naming import nearest

from . import adasap, s2ap, srgkp
from .citations import Cited, read_cited, shipped
from .figures import FIGURES, draw
from .fill import ROBUST_DEFAULT, Filled, fill
from .layout import Derived, Row, Table, TableColumn
from .observe import Observation, observe
from .write import as_csv, as_rich, markdown, notes, write

ARMS = Table(
    'The arms of an experiment',
    ('arm',),
    (
        TableColumn('epochs', ('epochs',), form='.0f'),
        TableColumn('minutes', ('minutes',), form='.1f'),
        TableColumn('parameters', ('params',), form=',.0f'),
        TableColumn('MACs', ('macs',), form=',.0f'),
        TableColumn('latency (ms)', ('latency',), form='.1f', same=False),
        TableColumn('mask clean', ('mask top1',), better='high'),
        TableColumn('mask PGD', ('mask pgd',), better='high'),
        TableColumn('clean', ('clean',), better='high'),
        TableColumn('mPC', ('mPC',), better='high'),
        TableColumn('rPC', ('rPC',), form='.3f', better='high'),
        TableColumn('PGD 8/255', ('pgd@8/255',), better='high'),
        TableColumn('AutoAttack 8/255', ('autoattack@8/255',), better='high'),
        *(
            TableColumn(title, (f'{key} normalised',), group='normalised', better='high')
            for title, key in srgkp.RADII.items()
        ),
    ),
    (Row(('{name}',), each='name', block='all'),),
    note='Accuracies and precisions in per cent.',
    whole=False,
)
TABLES = {**adasap.TABLES, **s2ap.TABLES, **srgkp.TABLES, 'arms': ARMS}


def get_table(name: str) -> Table:
    """The table of that name.

    Raises:
        ValueError: an unknown name (the nearest one is given).
    """
    if name not in TABLES:
        raise ValueError(
            f"no table is called '{name}'{nearest(name, TABLES)}; --table list prints the names."
        )
    return TABLES[name]


__all__ = [
    'Cited',
    'ROBUST_DEFAULT',
    'TABLES',
    'TableColumn',
    'Derived',
    'FIGURES',
    'Filled',
    'Observation',
    'Row',
    'Table',
    'as_csv',
    'as_rich',
    'draw',
    'fill',
    'get_table',
    'markdown',
    'notes',
    'observe',
    'read_cited',
    'shipped',
    'write',
]
