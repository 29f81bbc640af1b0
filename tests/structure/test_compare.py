"""What two networks differ by, and what of it is rounding."""

import copy

import pytest
import torch

from mmrobustprune.structure.compare import (
    FullPrecision,
    compare,
    cropped,
    difference,
    halved,
    judge,
    one_ulp_off,
    random_like,
)


def test_nested_outputs_are_compared():
    a = dict(x=[torch.ones(2), (torch.zeros(3),)], y=torch.tensor(2))
    b = dict(x=[torch.ones(2), (torch.full((3,), 0.5),)], y=torch.tensor(2))
    assert difference(a, a) == 0
    assert difference(a, b) == 0.5
    assert difference([torch.ones(2)], [torch.ones(3)]) == float('inf')
    assert difference(torch.ones(2), torch.tensor([1.0, float('nan')])) == float('inf')


def test_random_input_keeps_what_is_not_a_floating_tensor():
    example = dict(image=torch.zeros(2, 3), index=torch.arange(3), note='text')
    noise = random_like(example, torch.float64, 0)
    assert noise['image'].dtype == torch.float64 and noise['image'].std() > 0
    assert noise['index'] is example['index'] and noise['note'] == 'text'
    assert torch.equal(noise['image'], random_like(example, torch.float64, 0)['image'])


def test_one_ulp_off_is_the_next_number_up_or_down():
    x = dict(image=torch.ones(2, 500, dtype=torch.float64), index=torch.arange(3))
    y = one_ulp_off(x, 0)
    assert y['index'] is x['index']
    assert y['image'].unique().tolist() == [1 - 2.0**-53, 1 + 2.0**-52]
    assert not torch.equal(y['image'], one_ulp_off(x, 1)['image'])
    single = one_ulp_off(torch.ones(1000), 0)
    assert single.dtype == torch.float32 and single.max() == 1 + 2.0**-23


@pytest.mark.parametrize(
    'gain, allowed',
    [
        (1.0, 1e-10),  # one ulp of 1 is 2.2e-16 at most
        (1e7, 10 * 1e7 * 2.0**-52),
        (1e12, 1e-5),  # more than the ceiling
    ],
)
def test_ten_times_what_one_ulp_does_is_allowed(gain, allowed):
    x = torch.ones(1000, dtype=torch.float64)

    def network(x):
        return 1 + gain * (x - 1)

    verdict = judge(network(x), network(x) + 1e-4, network, x, torch.float64)
    assert verdict.found == pytest.approx(1e-4) and not verdict.same
    assert verdict.allowed == pytest.approx(allowed, rel=1e-3)
    assert judge(network(x), network(x) + allowed / 2, network, x, torch.float64).same


def test_nothing_is_measured_where_outputs_agree_or_cannot():
    def never(x):
        raise AssertionError

    x = torch.ones(3, dtype=torch.float64)
    assert judge(x, x, never, x, torch.float64).same
    assert not judge(x, torch.ones(4), never, x, torch.float64).same
    assert not judge(x, x * float('nan'), never, x, torch.float64).same


def test_an_ulp_that_changes_the_number_of_outputs_tells_nothing():
    """As after a threshold or NMS; the others of the draws count."""
    x = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)

    def network(x):
        return x[x > 0]

    verdict = judge(network(x), network(x) + 5e-6, network, x, torch.float64)
    assert not verdict.same and verdict.allowed == 1e-10


def test_images_of_more_than_128_pixels_a_side_are_halved():
    example = dict(inputs=torch.zeros(2, 3, 320, 224), scale=torch.zeros(4), name='a')
    small = halved(example)
    assert small['inputs'].shape == (2, 3, 160, 128)
    assert small['scale'] is example['scale'] and small['name'] == 'a'
    assert halved(torch.zeros(1, 3, 100, 130)).shape == (1, 3, 100, 128)


def test_cropped_images_have_at_most_so_many_pixels_a_side():
    example = dict(inputs=torch.arange(96.0 * 40).view(1, 1, 96, 40), scale=torch.zeros(4, 200))
    small = cropped(example, 64)
    assert torch.equal(small['inputs'], example['inputs'][:, :, :64])
    assert small['scale'] is example['scale']


def test_parameters_are_read_in_another_precision():
    layer = torch.nn.Linear(3, 2)
    image = torch.randn(4, 3, dtype=torch.float64)
    with FullPrecision(parameters=True), torch.no_grad():
        found = layer(image)
        joined = torch.cat([layer.weight, torch.zeros(1, 3, dtype=torch.float64)])
        assert layer.weight.dtype == torch.float64
    assert layer.weight.dtype == torch.float32
    assert torch.equal(found, layer.double()(image)) and torch.equal(joined[:2], layer.weight)


def test_what_asks_for_single_precision_gets_the_other():
    x = torch.ones(2, dtype=torch.float64)
    with FullPrecision():
        made = [
            torch.arange(3, dtype=torch.float32),
            torch.zeros(2),
            torch.arange(3) / 2,
            torch.arange(3).float(),
            x.float(),
            x.to(torch.float32),
            x.new_zeros(1, dtype=torch.float32),
        ]
    assert {one.dtype for one in made} == {torch.float64}
    assert torch.zeros(2).dtype == torch.float32
    with FullPrecision(torch.float32):
        assert x.float().dtype == torch.float32


def test_two_networks_by_their_outputs():
    torch.manual_seed(0)
    one = torch.nn.Linear(3, 2).double()
    other = copy.deepcopy(one)
    image = torch.randn(4, 3, dtype=torch.float64)
    assert compare(one, other, lambda model, x: model(x), image, torch.float64).found == 0
    other.weight.data[0, 0] += 0.1
    assert not compare(one, other, lambda model, x: model(x), image, torch.float64).same
