"""What several processes on one machine measure together, and how it is kept."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch.multiprocessing as mp

from mmrobustprune.cost.count import device_stamp

from .record import keep


def together(measure: Callable, worlds: Iterable[int], *rest: Any) -> dict[int, Any]:
    """What each number of processes found.

    Args:
        measure: called as `measure(rank, world, folder, *rest)` in every process, with one thread;
            one of them writes `<folder>/<world>.json`.
        worlds: numbers of processes.
        rest: what else it is given.
    """
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in worlds:
            mp.spawn(measure, (world, folder, *rest), nprocs=world)
            found[world] = json.loads(Path(folder, f'{world}.json').read_text())
    return found


def keep_steps(args: argparse.Namespace, **result: Any) -> None:
    """Keep what steps of single-threaded processes took: as `keep`, with what was asked for."""
    keep(
        args.json,
        **result,
        batch=args.batch,
        rounds=args.rounds,
        device=device_stamp(args.device),
        threads=1,
        seed=0,
    )
