import pytest

from mmrobustprune.attack import doubts


def result(accuracy, **fields):
    return dict(
        dict(attack='pgd', space='pixel', label='true', eps=0.03, step=0.01, steps=10),
        accuracy=accuracy,
        **fields,
    )


def test_nothing_to_doubt():
    falling = [
        result(0.5),
        {**result(0.4), 'steps': 20},
        {**result(0.3), 'eps': 0.06, 'step': 0.02},
        {**result(0.9), 'space': 'normalised'},
    ]
    assert doubts(falling, 0.95) == []
    assert doubts([result(0.3, breakdown={'apgd-ce': 0.31, 'square': 0.3095})], 0.9) == []


def test_doubts():
    (more_steps,) = doubts([result(0.5), {**result(0.6), 'steps': 20}], 0.9)
    assert (
        'steps=20 leaves more right (60.00%) than with 10' in more_steps and 'masked' in more_steps
    )
    (wider,) = doubts([{**result(0.6), 'eps': 0.06, 'step': 0.02}, result(0.5)], 0.9)
    assert 'eps=0.06' in wider
    (predicted,) = doubts([{**result(0.95), 'label': 'predicted'}], 0.9)
    assert 'no attack' in predicted and 'predicted label' in predicted
    (square,) = doubts([result(0.3, breakdown={'apgd-ce': 0.4, 'square': 0.3})], 0.9)
    assert 'Square' in square


def fgsm(accuracy, **fields):
    return dict(
        dict(attack='fgsm', space='pixel', label='true', clip='image', eps=0.03),
        accuracy=accuracy,
        **fields,
    )


def pgd(accuracy, **fields):
    return {**fgsm(accuracy), 'attack': 'pgd', 'step': 0.01, 'steps': 10, **fields}


def test_pgd_that_leaves_more_right_than_fgsm_at_one_radius_is_doubted():
    (one,) = doubts([fgsm(0.3958), pgd(0.4896)], 0.9)
    assert one.startswith(
        'pgd (pixel) leaves more right (48.96%) than fgsm of the same radius (39.58%)'
    )
    assert 'masked' in one and doubts([pgd(0.4896), fgsm(0.3958)], 0.9) == [one]
    assert doubts([fgsm(0.4), pgd(0.4)], 0.9) == [] == doubts([fgsm(0.4), pgd(0.3)], 0.9)


@pytest.mark.parametrize('other', [dict(eps=0.02), dict(space='normalised'), dict(clip='none')])
def test_of_another_radius_it_is_not(other):
    assert doubts([fgsm(0.39), pgd(0.48, **other)], 0.9) == []


def test_steps_that_cannot_reach_the_edge_are_said():
    (one,) = doubts([fgsm(0.39), pgd(0.48, reach=0.02)], 0.9)
    assert 'its steps reach no farther than 0.02' in one and 'masked' not in one


def test_autoattack_that_leaves_more_right_than_either_is_doubted():
    auto = {**fgsm(0.5), 'attack': 'autoattack'}
    found = doubts([fgsm(0.4), pgd(0.3), auto], 0.9)
    assert len(found) == 2 and all(one.startswith('autoattack (pixel) leaves') for one in found)
