"""Another number of epochs for a config, and its learning rates in words."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

IN_EPOCHS = ('begin', 'end', 'T_max', 'step_size', 'total_steps', 'milestones')
SHOWN = ('lr', 'momentum', 'weight_decay')


def length_options(config: Config, epochs: int) -> list[str]:
    """The options that let a config train so many epochs, its learning rates stretched with it.

    What a schedule says in epochs is multiplied by epochs / max_epochs; what it says in iterations,
    as a warm-up, stays.

    Raises:
        ValueError: the config does not train by epochs.
    """
    train = config.get('train_cfg') or {}
    if not train.get('max_epochs'):
        raise ValueError(
            f"config '{config.filename}' does not train by epochs (train_cfg.max_epochs); an "
            'experiment gives all its methods the same number of them.'
        )
    ratio = epochs / train['max_epochs']
    found = [f'train_cfg.max_epochs={epochs}']
    for number, part in enumerate(_schedulers(config)):
        if not part.get('by_epoch', True):
            continue
        place = 'param_scheduler'
        if not isinstance(config.param_scheduler, dict):
            place += f'.{number}'
        for key in IN_EPOCHS:
            if isinstance(part.get(key), (int, float, list)):
                found.append(f'{place}.{key}={_stretched(part[key], ratio)}')
    return found


def learning_rate(config: Config) -> str:
    """The optimizer and the schedule of a config in one line, lengths left out."""
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    kind = str(optimizer.get('type', 'no optimizer'))
    numbers = [f'{key} {optimizer[key]:g}' for key in SHOWN if key in optimizer]
    schedule = [str(part['type']) for part in _schedulers(config)]
    return f'{" ".join([kind, ", ".join(numbers)])}; {", ".join(schedule) or "constant"}'


def _schedulers(config: Config) -> list[dict[str, Any]]:
    given = config.get('param_scheduler') or []
    return [given] if isinstance(given, dict) else list(given)


def _stretched(value: float | list, ratio: float) -> Any:
    if isinstance(value, list):
        joined = ','.join(str(_stretched(one, ratio)) for one in value)
        return f'[{joined}]'
    return round(value * ratio)
