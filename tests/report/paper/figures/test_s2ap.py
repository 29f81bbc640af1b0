"""The figures of S2AP from work dirs: which panels, and what is in them."""

import pytest
from matplotlib.figure import Figure as Canvas

from mmrobustprune.report.figures.style import dress
from mmrobustprune.report.paper import FIGURES, draw
from tests.report.paper.runs import SEARCH, attacks, work_dir

FIELDS = (
    "recipe='s2ap_{host}', target={target}, gamma={gamma}, host=dict(type='{HOST}'), "
    "search='20 epochs', warmup='5 epochs'"
)


def searched(folder, net, host, target, gamma, seed=0, data='cifar10', along=True):
    """A work dir whose numbers are twice as large without S2AP."""
    scale = 1.0 if gamma else 2.0
    records = []
    for epoch in range(1, 21):
        one = dict(
            epoch=epoch,
            lambda_max=9.0,
            attacked=40.0 + epoch,
            hamming_first=scale * target * epoch / 100,
        )
        if along:
            one['lambda_max_along'] = scale + seed
        records.append(one)
    fields = FIELDS.format(host=host.lower(), HOST=host, target=target, gamma=gamma)
    arm = f's2ap-{gamma}' if gamma else 'orig'
    return str(
        work_dir(
            folder / f'{net}-{host}-{target}-{arm}-{data}-seed{seed}',
            f'{net}_s2ap-{host.lower()}-p90_{data}',
            SEARCH.format(fields=fields),
            search=dict(records=records),
            stages=[
                dict(
                    stage='finetune', iteration=9, metric_after={'attacked/pgd': 30 + 1000 * gamma}
                )
            ],
            **{
                'sharpness/sharpness': dict(
                    loss=dict(type='TRADES'),
                    images=10,
                    split='train',
                    spaces=dict(scores=dict(loss_difference=[dict(rho=0.01, value=scale / 10)])),
                )
            },
        )
    )


def arms(folder, net, host, targets=(0.8, 0.9), seeds=(0,), **more):
    return [
        searched(folder, net, host, target, gamma, seed, **more)
        for target in targets
        for gamma in (0.0, 0.001)
        for seed in seeds
    ]


def lines(panel):
    axes = Canvas().subplots()
    panel.draw(axes, dress(panel.names))
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def lines_of_bars(panel):
    axes = Canvas().subplots()
    panel.draw(axes, dress(panel.names))
    return {one.get_label(): [bar.get_height() for bar in one] for one in axes.containers}


def panels(name, words):
    figure = FIGURES[name]
    found = []
    for where in figure.wheres:
        found += figure.panels(words, where, 'autoattack@8/255')
    return found


def test_curvature_has_a_panel_per_sparsity_and_repeats_are_one_line(tmp_path):
    words = arms(tmp_path, 'wrn-28-4', 'HARP', seeds=(0, 1))
    words += arms(tmp_path, 'wrn-28-4', 'HYDRA')
    found = panels('s2ap-2', words)
    titles = [panel.title for panel in found]
    assert titles == ['WRN-28-4, CIFAR-10, HARP, 80 %', 'WRN-28-4, CIFAR-10, HARP, 90 %']
    drawn = lines(found[0])
    assert drawn['S2AP'] == [1.5] * 20 and drawn['Orig.'] == [2.5] * 20
    assert panels('s2ap-curvature-wrn-28-4-cifar10-hydra', words)[0].title.endswith('HYDRA, 80 %')
    outside = arms(tmp_path / 'b', 'wrn-28-4', 'HARP', targets=(0.8,), along=False)
    assert lines(panels('s2ap-2', outside)[0])['S2AP'] == [9.0] * 20


def test_stability_is_shown_from_the_end_of_the_warm_up_and_signed(tmp_path):
    words = arms(tmp_path, 'resnet18', 'HARP', targets=(0.8,))
    single, gained = panels('s2ap-4', words)
    drawn = lines(single)
    assert len(drawn['S2AP']) == 16 and drawn['S2AP'][0] == pytest.approx(0.8 * 5 / 100)
    assert list(lines(gained).values())[0][0] == pytest.approx(0.8 / 100)


def test_every_figure_has_its_panels_and_is_one_file(tmp_path):
    words = [
        word
        for net in ('resnet18', 'wrn-28-4', 'vgg16-bn')
        for host in ('HARP', 'HYDRA')
        for word in arms(tmp_path, net, host, targets=(0.9,))
    ]
    words += arms(tmp_path, 'vgg16-bn', 'HARP', targets=(0.9,), data='svhn')
    counts = [len(panels(f's2ap-{number}', words)) for number in range(1, 8)]
    assert counts == [3, 1, 4, 4, 1, 4, 3]
    bars = lines_of_bars(panels('s2ap-3', words)[0])
    assert bars == {'Orig.': [0.2], 'S2AP': [0.1]}
    assert len([name for name in FIGURES if name.startswith('s2ap-curvature')]) == 12
    file = draw('s2ap-3', words[:4], tmp_path / 'figures', 'autoattack@8/255')
    assert file.name == 's2ap-3.png' and file.stat().st_size > 5_000


def test_the_sweep_is_of_the_attack_where_there_is_one_and_else_of_held_out_images(tmp_path):
    words = [
        searched(tmp_path, 'resnet18', 'HARP', 0.9, gamma, seed)
        for gamma in (0.001, 0.0025)
        for seed in (0, 1)
    ]
    (panel,) = panels('s2ap-5', words)
    axes = Canvas().subplots()
    panel.draw(axes, dress(panel.names))
    assert axes.get_ylabel() == 'accuracy under attack (%, held-out images)'
    assert list(axes.containers[0].lines[0].get_ydata()) == [31.0, 32.5]
    folder = tmp_path / 'resnet18-HARP-0.9-s2ap-0.001-cifar10-seed0'
    work_dir(folder / 'mask-attacked', attacks=attacks(0.2))
    (panel,) = panels('s2ap-5', words[:1])
    panel.draw(axes, dress(panel.names))
    assert axes.get_ylabel() == 'accuracy under attack (%, autoattack@8/255)'


def test_what_is_missing_is_said(tmp_path):
    words = arms(tmp_path, 'resnet18', 'HARP', targets=(0.9,))
    with pytest.raises(
        ValueError, match="none of the runs belongs to the figure 's2ap-2' .net wrn"
    ):
        draw('s2ap-2', words, tmp_path, 'autoattack@8/255')
    with pytest.raises(ValueError, match='resnet18 at 90 % has no run of Orig.; give both arms'):
        draw('s2ap-4', words[1:], tmp_path, 'autoattack@8/255')
