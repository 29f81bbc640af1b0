"""Sets of a beam search, step by step."""

import torch
from matplotlib.colors import to_hex

from mmrobustprune.report.drawings.growth import draw_growth
from mmrobustprune.report.figures.style import COLOURS, INK


def test_new_members_stand_out_and_the_last_line_is_what_is_kept(tmp_path, monkeypatch):
    seen = []

    def keep(figure, path):
        seen.append(figure)
        return path

    monkeypatch.setattr('mmrobustprune.report.drawings.growth.save', keep)
    steps = [
        torch.tensor([[True, False, False]]),
        torch.tensor([[True, True, False], [True, False, True]]),
    ]
    draw_growth(tmp_path / 'a.png', steps, torch.tensor([0, 2]))
    fills = [to_hex(patch.get_facecolor()) for patch in seen[0].axes[0].patches]
    old, new, no, won = COLOURS[0], COLOURS[1], '#ffffff', INK
    assert fills == [new, no, no, old, new, no, old, no, new, won, no, won]
