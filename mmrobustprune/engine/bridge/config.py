"""Configs: read from a file, made plain, and asked what they say."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmrobustprune.naming import nearest

LINE = 300  # characters: a longer text is put in after a config was formatted


def plain_config(cfg: Config | dict) -> Config:
    """A copy in which lazily imported types (of `read_base` configs) are text."""
    if isinstance(cfg, Config):
        return Config(
            cfg.to_dict(),
            filename=cfg.filename,
            cfg_text=cfg.text,
            format_python_code=cfg._format_python_code,
        )
    return Config(cfg)


def formatted(cfg: Config) -> str:
    """A config as the text of a file.

    On a long text, as that of a structure record, the formatter spends seconds.
    """
    long: dict[str, str] = {}
    plain = _shortened(cfg.to_dict(), long)
    text = Config(plain, format_python_code=cfg._format_python_code).pretty_text
    for name, value in long.items():
        text = text.replace(repr(name), repr(value))
    return text


def _shortened(value: Any, long: dict[str, str]) -> Any:
    """A config with a name in the place of each long text, which goes into `long`."""
    if isinstance(value, dict):
        return {key: _shortened(item, long) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_shortened(item, long) for item in value)
    if isinstance(value, str) and len(value) > LINE:
        name = f'<<long text {len(long)}>>'
        long[name] = value
        return name
    return value


def type_name(kind: Any) -> str:
    """The bare name of a type in a config, which is a class, or text with or without a scope."""
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def load_config(path: str, options: Sequence[str] = ()) -> Config:
    """A config file, by path or by `package::path`, with KEY=VALUE options in it.

    Raises:
        FileNotFoundError: there is no such config, or its package is not installed.
        ValueError: the file is no config, or its code fails.
    """
    file = find_config(path)
    try:
        cfg = _read(file)
    except Exception as problem:  # a config is a program
        said = (str(problem) or 'no message').splitlines()[0]
        raise ValueError(
            f"config '{path}' cannot be read ({type(problem).__name__}: {said}); mend that file, "
            'or what it imports and inherits.'
        ) from problem
    cfg.merge_from_dict(parse_options(options))
    return cfg


def _read(file: Path) -> Config:
    """A config; a base of it may import something, as RepLKNet's do, which mmengine refuses."""
    try:
        return Config.fromfile(file)
    except RuntimeError as mixed:
        try:
            return Config.fromfile(file, lazy_import=False)
        except Exception:
            raise mixed from None


def find_config(path: str) -> Path:
    """The file of a config that is given by path or by `package::path`, as in `_base_`.

    Raises:
        FileNotFoundError: there is no such config, or its package is not installed.
    """
    package, separator, inside = path.partition('::')
    if not separator:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"config '{path}' is not there; give the path of a config file, "
                'or package::path for one of an installed package.'
            )
        return Path(path)
    found = find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            f"config '{path}' is in the package '{package}', which is not installed; "
            'install it, or give a path.'
        )
    folder = Path(found.submodule_search_locations[0], '.mim', 'configs')
    file = folder / inside
    if not file.is_file():
        known = [str(other.relative_to(folder)) for other in folder.rglob('*.py')]
        raise FileNotFoundError(
            f"{package} has no config '{inside}'{nearest(inside, known)}; "
            f'its configs lie in {folder}.'
        )
    return file


def model_of(config: Config) -> dict:
    """What a config says of its network.

    Raises:
        ValueError: nothing, as a part of a config that others inherit.
    """
    if not config.get('model'):
        raise ValueError(
            f"config '{config.filename or 'given'}' has no model; give a whole config, no part "
            'of one such as a data set or a schedule.'
        )
    return config.model


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """`['a.b=1', 'c=x']` as a dict, values read as mmengine reads them.

    Raises:
        ValueError: an option without '='.
    """
    for option in options:
        if '=' not in option:
            raise ValueError(
                f"--cfg-options got '{option}'; write KEY=VALUE, e.g. model.neck.type=FPN."
            )
    pairs = (option.split('=', maxsplit=1) for option in options)
    return {key: DictAction._parse_iterable(value) for key, value in pairs}


def test_size(config: Config) -> tuple[int, int]:
    """Input height and width in pixels that the test pipeline ends in.

    Raises:
        ValueError: the pipeline names none.
    """
    data = config.get('test_dataloader') or {}
    dataset = data.get('dataset', {})
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    for step in reversed(dataset.get('pipeline', [])):
        size = step.get('crop_size') or step.get('scale') or step.get('size')
        if isinstance(size, int):
            return size, size
        if isinstance(size, (list, tuple)) and len(size) == 2:
            width, height = size  # mmcv writes (width, height)
            return int(height), int(width)
    raise ValueError('the test pipeline names no input size; give it as --shape HEIGHT WIDTH.')


def as_config(config: str | Path | Config, options: Sequence[str] = ()) -> Config:
    """A copy of a config that was read, or the config of a path, with KEY=VALUE options in it.

    Args:
        config: a config, a path, or `package::path`.
        options: as `parse_options` reads them.

    Raises:
        FileNotFoundError: there is no such config.
    """
    if not isinstance(config, Config):
        return load_config(str(config), options)
    config = plain_config(config)
    config.merge_from_dict(parse_options(options))
    return config
