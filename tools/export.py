#!/usr/bin/env python
"""Write a checkpoint as a config and weights that stock tools load (with mmrobustprune installed), and as ONNX.

Example:
    python tools/export.py configs/my_ssd.py work_dirs/my_ssd/epoch_24.pth --out exported --shape 512 512
"""
import argparse
import sys
from pathlib import Path

import mmrobustprune.engine  # noqa: F401  registers our parts before a config is read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file, dense or pruned')
    parser.add_argument('checkpoint', help='weights, dense or pruned')
    parser.add_argument('--out', required=True, type=Path, help='folder for model.py, model.pth, model.onnx, structure.json')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='input size in pixels (default: the test pipeline)')
    parser.add_argument('--no-onnx', action='store_true', help='write config and weights only')
    args = parser.parse_args()

    from mmengine.config import Config

    from mmrobustprune.engine.export import export_checkpoint, export_onnx, test_size
    from mmrobustprune.engine.base import read_checkpoint
    if not Path(args.config).exists():
        raise FileNotFoundError(f"config '{args.config}' is not there; give the path of a config file.")
    config = Config.fromfile(args.config)
    model = export_checkpoint(config, args.checkpoint, args.out)
    print(f'{args.out}/model.py and model.pth written')
    if not args.no_onnx:
        size = tuple(args.shape) if args.shape else test_size(config)
        meta = read_checkpoint(args.checkpoint).get('meta', {})
        error = export_onnx(model, size, args.out / 'model.onnx', meta)
        print(f'{args.out}/model.onnx written for {size[0]}x{size[1]}; differs from the network by {error:.1e} (allowed 1e-4)')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f'export: {error}', file=sys.stderr)
        sys.exit(2)
