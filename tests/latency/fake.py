"""Networks and stop-watches whose times are known."""

import torch
from torch import nn

from mmrobustprune.latency import LatencyTable, Network, Timing, measure_table
from mmrobustprune.surgery import trace

STAMP = dict(
    device='cpu: fake',
    threads=1,
    batch=2,
    precision='float32',
    clock='processor',
    evict=0,
    versions={},
)


class Bottlenecks(nn.Module):
    """stem -> two bottleneck blocks of one residual width -> depthwise -> linear head."""

    def __init__(self, stem=16, wide=32, inner=16):
        super().__init__()

        def conv(before, after, kernel=1):
            return nn.Sequential(
                nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
            )

        self.stem = conv(3, stem, 3)
        self.short = conv(stem, wide)
        self.first = nn.Sequential(
            conv(stem, inner),
            nn.ReLU(True),
            conv(inner, inner, 3),
            nn.ReLU(True),
            conv(inner, wide),
        )
        self.second = nn.Sequential(
            conv(wide, inner),
            nn.ReLU(True),
            conv(inner, inner, 3),
            nn.ReLU(True),
            conv(inner, wide),
        )
        self.depth = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.relu = nn.ReLU6()
        self.head = nn.Linear(wide, 5)

    def forward(self, x):
        x = self.stem(x).relu()
        x = (self.first(x) + self.short(x)).relu()
        x = (self.second(x) + x).relu()
        return self.head(self.relu(self.depth(x)).mean((2, 3)))


def bilinear(signature, inputs, outputs):
    """A time that bilinear interpolation meets exactly."""
    ms = 0.01 + 1e-4 * (inputs + outputs) + 1e-4 * inputs * outputs
    return Timing(ms, ms, ms, ms, 5)


def staircase(signature, inputs, outputs):
    """The same, in blocks of 16 channels."""
    return bilinear(signature, -(-inputs // 16) * 16, -(-outputs // 16) * 16)


class Watch:
    """Counts what it times; fails after a number of blocks."""

    def __init__(self, times=bilinear, until=10**9):
        self.times, self.until, self.seen = times, until, []

    def __call__(self, signature, inputs, outputs):
        if len(self.seen) == self.until:
            raise KeyboardInterrupt
        self.seen.append((signature.key, inputs, outputs))
        return self.times(signature, inputs, outputs)


def blocks_ms(network, alive, times=bilinear):
    """The invented time of the blocks that can change, with these units alive."""
    kept = {name: int(units.sum()) for name, units in alive.items()}
    total = 0.0
    for block in network.changing:
        inputs, outputs = network.sides(block)
        widths = int(network.widths(inputs, kept)), int(network.widths(outputs, kept))
        total += times(block.signature, *widths).median
    return total


def measured(model=None, path=None, dense=None, watch=None, **options):
    """(model, trace, network, table) with invented times.

    The dense network takes `dense` ms, its half what the blocks say.
    """
    torch.manual_seed(0)
    model = model or Bottlenecks()
    example = torch.randn(2, 3, 8, 8)
    found = trace(model, example)
    network = Network.read(model, found, example)
    table = LatencyTable.open(path, STAMP) if path else LatencyTable(STAMP)
    watch = watch or Watch()
    if dense is not None:
        half = max(
            dense
            - blocks_ms(network, {}, watch.times)
            + blocks_ms(network, network.half, watch.times),
            1e-3,
        )
        table.networks |= {
            network.fingerprint: Timing(*[dense] * 4, 5),
            network.half_fingerprint: Timing(*[half] * 4, 5),
        }
    measure_table(table, network, model, example, progress=False, stopwatch=watch, **options)
    return model, found, network, table
