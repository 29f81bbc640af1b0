"""Images with verdicts under them."""

import torch

from mmrobustprune.report.drawings.bands import Answer, draw_bands


def test_ticks_and_crosses_under_every_image(tmp_path, monkeypatch):
    seen = []

    def keep(figure, path):
        seen.append(figure)
        return path

    monkeypatch.setattr('mmrobustprune.report.drawings.bands.save', keep)
    image = torch.rand(3, 8, 8)
    high = torch.linspace(-3, 3, 192).view(3, 8, 8)
    images = {'image': image, 'high': high}
    verdicts = {
        'dense': {'image': Answer('frog', 0.9, True), 'high': Answer('cat', 0.417, False)},
        'pruned': {'image': Answer('frog', 1.0, True), 'high': Answer('frog', 0.5, True)},
    }
    draw_bands(tmp_path / 'a.png', images, verdicts)
    texts = [[text.get_text() for text in axes.texts] for axes in seen[0].axes]
    assert texts == [
        ['dense: ✓ frog (90%)', 'pruned: ✓ frog (100%)'],
        ['dense: ✗ cat (42%)', 'pruned: ✓ frog (50%)'],
    ]
    shown = [torch.tensor(axes.images[0].get_array()) for axes in seen[0].axes]
    assert torch.equal(shown[0].permute(2, 0, 1), image)
    assert shown[1].min() == 0 and shown[1].max() == 1  # stretched
