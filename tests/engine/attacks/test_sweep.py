"""All checkpoints of a training under attack, on test images and on held-out ones."""

import json

import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.attack import FGSM
from mmrobustprune.engine.attacks import evaluate
from mmrobustprune.engine.attacks.evaluate import ImageChoice, evaluate_attacks
from mmrobustprune.engine.attacks.sweep import Sweep, in_order
from tests.support.classifier import write_config, write_pictures, write_weights


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """(config with held-out images, checkpoints of epochs 10 and 9)"""
    folder = tmp_path_factory.mktemp('trained')
    file = write_config(folder, write_pictures(folder / 'data', 10))
    held = write_pictures(folder / 'held', 15, seed=1)
    text = file.read_text()
    loader = text[text.index('test_dataloader') : text.index('test_evaluator')]
    loader = loader.replace('test_', 'val_', 1).replace(str(folder / 'data'), str(held))
    file.write_text(text + loader)
    files = [write_weights(file, folder / f'epoch_{n}.pth', seed=n)[0] for n in (10, 9)]
    return file, files


def test_every_checkpoint_on_both_kinds_of_images(trained, tmp_path, monkeypatch):
    config, files = trained
    attack = FGSM(eps=1 / 255)
    found = Sweep(config, [attack], held_out=True)(files, tmp_path)
    assert json.loads((tmp_path / 'sweep.json').read_text()) == found
    rows = found['checkpoints']
    assert [row['epoch'] for row in rows] == [9, 10]
    alone = evaluate_attacks(config, files[0], tmp_path / 'alone', [attack])
    robust = [one['attacks'][0]['accuracy'] for one in (rows[1]['test'], alone)]
    assert robust[0] == robust[1] and rows[1]['test']['cost'] == alone['cost']
    sizes = [rows[0][split]['attacks'][0]['images'] for split in ('test', 'val')]
    assert sizes == [10, 15]

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(evaluate._ProbeRun, '_one', never)  # all of it is there
    again = Sweep(config, [attack], held_out=True)(files, tmp_path)
    assert again['checkpoints'] == rows


def test_wrong_input_is_one_sentence(trained, tmp_path):
    config, files = trained
    same = Config.fromfile(config)
    same.val_dataloader = same.test_dataloader
    with pytest.raises(ValueError, match='val_dataloader reads the same images'):
        Sweep(same, [], held_out=True, choice=ImageChoice(subset=1))(files, tmp_path)
    with pytest.raises(ValueError, match="'best.pth' says no epoch"):
        in_order(['best.pth'])
    with pytest.raises(ValueError, match="'a/epoch_1.pth' and 'b/epoch_1.pth' are both of epoch 1"):
        in_order(['a/epoch_1.pth', 'b/epoch_1.pth'])
