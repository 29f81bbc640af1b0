"""BatchNorm statistics of all batches together; everything else stays as it was."""

import copy
import sys
from subprocess import Popen

import pytest
import torch
from torch import distributed, nn
from torch.optim.swa_utils import update_bn

from mmrobustprune.rng import RandomState
from mmrobustprune.surgery.recalibrate import Moments, learning_norms, recalibrate


@pytest.fixture(autouse=True)
def same_weights():
    torch.manual_seed(0)


class Block(nn.Module):
    """Convolution, norm, dropout, norm; a buffer that counts its calls."""

    def __init__(self, **norm):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.first = nn.BatchNorm2d(4, **norm)
        self.drop = nn.Dropout(0.5)
        self.second = nn.BatchNorm2d(4)
        self.register_buffer('calls', torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.second(self.drop(self.first(self.conv(x)).relu()))


def data(*sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(size, 3, 5, 5, generator=generator) + place for place, size in enumerate(sizes)
    ]


def test_numbers_that_can_be_checked_by_hand():
    """Values 1 3 | 5 7 9: mean 5, unbiased variance (16 + 4 + 0 + 4 + 16) / 4 = 10."""
    norm = nn.BatchNorm1d(1)
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0], [9.0]])]
    assert recalibrate(norm, batches) == ['']
    assert norm.running_mean.item() == 5 and norm.running_var.item() == 10
    assert norm.num_batches_tracked == 2


def test_the_first_layer_has_the_statistics_of_the_whole_set():
    """Exactly those of one large batch, however it is divided; torch's averages differ."""
    model = Block()
    batches = data(2, 7, 3)
    torch_way = copy.deepcopy(model)
    update_bn(batches, torch_way)
    recalibrate(model, iter(batches))
    with torch.no_grad():
        whole = model.conv(torch.cat(batches)).double()
    var, mean = torch.var_mean(whole, (0, 2, 3), correction=1)
    torch.testing.assert_close(model.first.running_mean.double(), mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.first.running_var.double(), var, rtol=1e-6, atol=1e-6)
    assert ((torch_way.first.running_var - var).abs() > 0.01).all()


def test_later_layers_read_what_training_mode_gives_without_dropout():
    model = Block()
    batches = data(4, 4)
    recalibrate(model, batches)
    twin = copy.deepcopy(model)
    twin.train().drop.eval()
    with torch.no_grad():
        read = torch.cat([twin.first(twin.conv(x)).relu() for x in batches])
    var, mean = torch.var_mean(read, (0, 2, 3), correction=1)
    torch.testing.assert_close(model.second.running_mean, mean)
    torch.testing.assert_close(model.second.running_var, var)


def test_nothing_else_changes():
    model = Block(momentum=None)
    model.conv.bias.requires_grad_(False)
    model.first.eval()
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    generators = RandomState.now()

    def drawing():
        for batch in data(4, 4):
            yield batch + torch.rand(())

    assert recalibrate(model, drawing()) == ['first', 'second']  # train() says what learns
    assert [module.training for module in model.modules()] == modes
    assert not model.conv.bias.requires_grad and model.first.momentum is None
    assert torch.equal(RandomState.now().torch, generators.torch)
    changed = [n for n, value in model.state_dict().items() if not torch.equal(value, before[n])]
    assert changed == [
        f'{norm}.{buffer}'
        for norm in ('first', 'second')
        for buffer in ('running_mean', 'running_var', 'num_batches_tracked')
    ]


class NormEval(Block):
    """As detectors freeze their backbones: `train` leaves the first norm in evaluation mode."""

    def train(self, mode=True):
        super().train(mode)
        self.first.eval()
        return self


def test_frozen_layers_and_layers_without_statistics_are_left_alone():
    model = nn.Sequential(NormEval(), nn.BatchNorm2d(4, track_running_stats=False))
    before = model[0].first.running_mean.clone()
    assert recalibrate(model, data(4)) == ['0.second']
    assert torch.equal(model[0].first.running_mean, before)


def test_which_layers_learn_statistics():
    layers = [nn.BatchNorm1d(1), nn.BatchNorm3d(1), nn.SyncBatchNorm(1)]
    others = [nn.GroupNorm(1, 1), nn.InstanceNorm2d(1, track_running_stats=True)]
    assert list(learning_norms(nn.Sequential(*layers, *others))) == ['0', '1', '2']


def untouchable():
    raise AssertionError('a batch was taken')
    yield


@pytest.mark.parametrize('layer', [nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(3), NormEval().first])
def test_no_work_without_such_layers(layer):
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            return super().train(False)

    assert recalibrate(Frozen(layer), untouchable()) == []


def test_a_shared_layer_sees_every_call_and_an_unused_one_keeps_what_it_has():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)
            self.unused = nn.BatchNorm1d(1)

        def forward(self, x):
            self.norm.eval()
            self.norm(100 * x)  # as an attack would: nothing is learned from it
            self.norm.train()
            return self.norm(x) + self.norm(x + 2)

    model = Shared()
    assert recalibrate(model, [torch.tensor([[0.0], [2.0]])]) == ['norm']
    assert model.norm.running_mean.item() == 2  # of 0 2 2 4
    assert model.norm.running_var.item() == pytest.approx(8 / 3)
    assert model.unused.running_var.item() == 1


@pytest.mark.parametrize(
    'batches, message',
    [
        ([], 'no batch reached any of 2 BatchNorm layers'),
        ([*data(4), torch.full((2, 3, 5, 5), torch.nan)], "statistics of 'first' .* not finite"),
    ],
)
def test_what_gives_no_statistics_is_refused_and_changes_nothing(batches, message):
    model = Block()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        recalibrate(model, batches)
    assert all(map(torch.equal, model.state_dict().values(), before.values()))


def test_an_error_in_the_middle_changes_nothing():
    model = Block()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError):
        recalibrate(model, [*data(4), torch.zeros(1, 1)])
    assert all(map(torch.equal, model.state_dict().values(), before.values()))


def test_half_precision_does_not_round_the_moments():
    seen = Moments()
    values = torch.full((4096, 1), 300.0)
    values[::2] = 302.0
    seen.see(values.half())
    assert seen.mean.item() == 301 and seen.spread.item() == 4096


RANKS = """
import sys
import torch
from torch import distributed
from mmrobustprune.surgery.recalibrate import recalibrate
from tests.surgery.test_recalibrate import SHARES, Synced, in_a_row
rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
norm = torch.nn.BatchNorm1d(1)
mine = [[[1.0], [3.0]], [[5.0], [7.0], [9.0]]][rank]
recalibrate(norm, [torch.tensor(mine)])
synced = in_a_row(Synced)
recalibrate(synced, SHARES[rank])
torch.save([norm.state_dict(), synced.state_dict()], f'{folder}/{rank}.pt')
distributed.destroy_process_group()
"""
SHARES = [  # a batch of each process at a time, not equally large
    [torch.randn(size, 2, generator=torch.Generator().manual_seed(size)).double() for size in sizes]
    for sizes in ((3, 2, 6), (4, 7, 5))
]


class Synced(nn.SyncBatchNorm):
    """Normalises by the batches of all processes together; torch's own does so on a GPU alone."""

    def forward(self, x):
        sums = torch.cat([x.sum(0), (x * x).sum(0), x.new_tensor([len(x)])])
        distributed.all_reduce(sums)
        mean, square = (sums[:-1] / sums[-1]).chunk(2)
        return (x - mean) / (square - mean * mean + self.eps).sqrt() * self.weight + self.bias


def in_a_row(norm):
    """Two norms: what the second one sees depends on how the first one normalises."""
    torch.manual_seed(0)
    return nn.Sequential(norm(2), nn.Linear(2, 3), nn.ReLU(), norm(3)).double()


@pytest.mark.timeout(600)
def test_two_processes_get_the_statistics_of_both(tmp_path):
    commands = [[sys.executable, '-c', RANKS, str(rank), str(tmp_path)] for rank in range(2)]
    running = [Popen(command) for command in commands]
    alone = in_a_row(nn.BatchNorm1d)
    recalibrate(alone, [torch.cat(batches) for batches in zip(*SHARES, strict=True)])
    alone = alone.state_dict()
    assert [one.wait() for one in running] == [0, 0]
    for rank in range(2):
        state, synced = torch.load(tmp_path / f'{rank}.pt')
        assert state['running_mean'].item() == 5 and state['running_var'].item() == 10
        assert synced.keys() == alone.keys()
        for name in set(alone) - {'0.num_batches_tracked', '3.num_batches_tracked'}:
            torch.testing.assert_close(synced[name], alone[name], rtol=1e-12, atol=1e-12)
