"""One sentence for data that is not where the config says."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def missing_data_named(dataloader: Any) -> Iterator[None]:
    """Around the building of a dataloader: an error that comes from a missing data root says so.

    Raises:
        FileNotFoundError: a folder or annotation file that the config names is not there.
    """
    try:
        yield
    except Exception as error:
        dataset = dataloader.get('dataset') if isinstance(dataloader, dict) else None
        for field, path in _paths(dataset, 'dataset'):
            if not Path(path).exists():
                raise FileNotFoundError(
                    f"{field} '{path}' is not there; put the data in place (a link will do), or name "
                    f'its folder with --cfg-options ...{field}=/path/to/data.') from error
        raise


def _paths(config: Any, field: str) -> Iterator[tuple[str, str]]:
    """(field, path) of every data_root and annotation file in a dataset config, roots first."""
    if isinstance(config, (list, tuple)):
        for number, part in enumerate(config):
            yield from _paths(part, f'{field}.{number}')
    elif isinstance(config, dict):
        root = config.get('data_root')
        if _is_local(root):
            yield f'{field}.data_root', root
        if _is_local(config.get('ann_file')):
            yield f'{field}.ann_file', str(Path(root or '', config['ann_file']))
        for key in ('dataset', 'datasets'):
            if key in config:
                yield from _paths(config[key], f'{field}.{key}')


def _is_local(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and '://' not in value
