"""The figures of AdaSAP: what is drawn, and what is refused."""

from dataclasses import replace

import pytest

from mmrobustprune.report.paper import draw as draw_any
from mmrobustprune.report.paper.figures import adasap
from tests.report.paper.test_adasap import OURS, dense, pruned

KINDS = ('fog', 'frost', 'spatter')


def evaluated(run, *values, ratio=0.5, size=0.2):
    """A run with three types of ImageNet-C, and what tables take of it."""
    clean = dense(70.0, numbers={'size': size, 'imagenet-c': 70 * ratio, 'R imagenet-c': ratio})
    kinds = {'imagenet-c': dict(zip(KINDS, values, strict=False))}
    return replace(run, numbers=clean.numbers, corruptions=kinds)


def runs():
    return [
        evaluated(dense(77.0), 60.0, 60.0, 60.0, ratio=0.55, size=1.0),
        evaluated(pruned('taylor', 0.8, 70.0), 40.0, 50.0, 60.0, ratio=0.48),
        evaluated(pruned('adasap', 0.8, 70.0, **OURS), 42.0, 51.0, 63.0, ratio=0.52),
        evaluated(pruned('adasap', 0.8, 70.0, 1, **OURS), 44.0, 53.0, 59.0, ratio=0.54),
    ]


def draw(name, runs, folder):
    return adasap.FIGURES[name].of(folder / f'{name}.png', runs)


@pytest.fixture
def seen(monkeypatch):
    """The axes of what is saved."""
    found = []

    def save(figure, path):
        found.extend(figure.axes)
        return path

    monkeypatch.setattr(adasap, 'save', save)
    return found


def test_margins_are_sorted_means_over_seeds_and_their_mean_is_over_all_types(seen, tmp_path):
    draw('adasap-4', runs(), tmp_path)
    (axes,) = seen
    assert axes.get_title(loc='left') == 'AdaSAP_P minus Taylor, 0.20 kept'
    named = [text.get_text() for text in axes.get_yticklabels()]
    assert named == ['fog', 'frost', 'spatter', 'mean of 3']
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([3.0, 2.0, 1.0, 2.0])


def test_margins_of_detectors_are_over_halp_at_one_target(seen, tmp_path):
    def detector(*values, target=0.5, **fields):
        one = pruned('adasap_latency', target, 75.0, config='ssd512_r50-x_voc0712', **fields)
        return replace(one, corruptions={'voc-c': dict(zip(KINDS, values, strict=True))})

    halp = dict(rule=None, finetune_rule=None, solver='linearised')
    draw(
        'adasap-5',
        [detector(42.0, 51.0, 63.0), detector(40.0, 50.0, 64.0, **halp), detector(1, 1, 1, **OURS)]
        + [detector(1, 1, 1, target=0.3)],
        tmp_path,
    )
    first, second = seen
    assert first.get_title(loc='left') == 'AdaSAP_L + ASAM minus HALP, 2.00x'
    assert [bar.get_width() for bar in first.patches] == pytest.approx([2.0, 1.0, -1.0, 2 / 3])
    assert second.get_title(loc='left').startswith('AdaSAP_L minus HALP')


def test_the_ideal_keeps_the_ratio_of_the_dense_network(seen, tmp_path):
    draw('adasap-1', runs(), tmp_path)
    (axes,) = seen
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines['AdaSAP_P'] == [[0.2, pytest.approx(0.53)]]
    assert lines['Taylor'] == [[0.2, pytest.approx(0.48)]]
    assert [y for _, y in lines['ideal']] == pytest.approx([0.55, 0.55])


def test_clean_against_corrupted_is_written(tmp_path):
    assert draw('adasap-6', runs(), tmp_path).exists()


def test_what_cannot_be_drawn_is_said_in_one_sentence(tmp_path):
    other = evaluated(pruned('taylor', 0.8, 70.0), 40.0, 50.0)
    with pytest.raises(ValueError, match='would compare 3 types of imagenet-c with 2'):
        draw('adasap-4', [*runs()[2:], other], tmp_path)
    fewer = evaluated(pruned('adasap', 0.8, 70.0, 1, **OURS), 44.0, 53.0)
    with pytest.raises(ValueError, match='has 3 types of imagenet-c and .* 2; evaluate'):
        draw('adasap-4', [*runs()[1:3], fewer], tmp_path)
    with pytest.raises(ValueError, match='no run has both arms of a pair, evaluated under'):
        draw('adasap-4', [dense(77.0)], tmp_path)
    with pytest.raises(ValueError, match=r"no figure is called 'adasap-3' \(did you mean"):
        draw_any('adasap-3', [], tmp_path, '')
