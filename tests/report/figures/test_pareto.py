"""What nothing beats, and a figure of it."""

from mmrobustprune.report.figures.pareto import Offer, draw_pareto, front

OFFERS = [
    Offer('dear', 3, 5),
    Offer('cheap', 1, 2),
    Offer('beaten', 2, 1),
    Offer('equal cost, less', 1, 1),
    Offer('as good and dearer', 4, 5),
]


def test_the_front():
    assert [offer.name for offer in front(OFFERS)] == ['cheap', 'dear']


def test_the_figure_is_written(tmp_path):
    assert draw_pareto(tmp_path / 'p.png', OFFERS, 'MACs', 'mPC').stat().st_size > 1000
