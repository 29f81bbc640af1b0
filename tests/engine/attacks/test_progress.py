"""The bar of batches: kept ones took no time of this run."""

from mmrobustprune.engine.attacks import progress
from mmrobustprune.engine.attacks.progress import batch_bar


def test_the_bar_goes_from_what_was_kept_to_the_end(monkeypatch):
    bars = []
    inner = progress.tqdm

    def made(**options):
        bars.append(inner(**options))
        return bars[-1]

    monkeypatch.setattr(progress, 'tqdm', made)
    with batch_bar() as show:
        show('clean, batch 3 of 4', 2, 8)
        (bar,) = bars
        assert (bar.initial, bar.n, bar.total) == (2, 2, 8)
        show('pgd, batch 3 of 4', 3, 8)
        assert bar.n == 3 and bar.desc.startswith('pgd, batch 3 of 4')
        show('done', 8, 8)
    assert bar.n == 8 and bar.initial == 2
