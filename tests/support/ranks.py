"""What each of two gloo processes does in tests/engine/test_traps_ddp.py; results go to files."""

import copy
import itertools
import sys

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmrobustprune.sharpness import ASAM, SAM, AdaSAP, two_pass_step
from mmrobustprune.sharpness.ascents import Step
from mmrobustprune.sharpness.build import ASCENTS
from tests.support.passes import Each, Toy, batch, sgd, toy, wrapped


class Spy(SAM):
    """SAM that keeps the gradients it was given."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.seen = []

    def offsets(self, params, grads, reuse=False):
        self.seen.append({name: grad.clone() for name, grad in grads.items()})
        return super().offsets(params, grads, reuse)


def ddp(model, **kwargs):
    defaults = dict(device_ids=None, broadcast_buffers=False)
    return MMDistributedDataParallel(model, **{**defaults, **kwargs})


def data(number):
    """Every rank its own batch."""
    return batch(10 * number + dist.get_rank())


def train(model, count=4, **kwargs):
    wrapper = wrapped(model, **kwargs)
    wrapper.initialize_count_status(model, 0, -1)
    for number in range(count):
        model.train_step(data(number), wrapper)
    return model


def loss_of(model, data):
    """A closure that can take a part of the batch."""

    def closure(take=lambda samples: samples):
        return model(**{name: take(tensor) for name, tensor in data.items()})['loss']

    return closure


def apart(model):
    """Largest difference between the ranks in any parameter."""
    difference = 0.0
    for parameter in model.parameters():
        both = [torch.empty_like(parameter) for _ in range(2)]
        dist.all_gather(both, parameter.detach().contiguous())
        difference = max(difference, (both[0] - both[1]).abs().max().item())
    return difference


def replicas_stay_equal():
    """T12, for each rule, over 40 steps."""
    rules = [SAM(rho=0.5), ASAM(), AdaSAP(), AdaSAP(norm='neuron')]
    return [apart(train(ddp(toy()), 40, rule=rule)) for rule in rules]


def ascents_stay_equal():
    """T12 and accumulation, for each ascent: the ranks' difference after 12 micro-batches."""
    found = {}
    for ascent in ASCENTS:
        model = ddp(toy(Each))
        wrapper = wrapped(model, rule=AdaSAP(), ascent=ascent, accumulative_counts=2)
        wrapper.initialize_count_status(model, 0, 13)
        for number in range(13):
            model.train_step(data(number), wrapper)
        found[ascent] = apart(model)
    return found


def climbed_together():
    """Largest difference between the ranks' first gradients where these are averaged."""
    rule = Spy(rho=0.5)
    train(ddp(toy()), 1, rule=rule, ascent=dict(type='fresh', sync=True))
    mine = rule.seen[0]['body.0.weight']
    both = [torch.empty_like(mine) for _ in range(2)]
    dist.all_gather(both, mine)
    return (both[0] - both[1]).abs().max().item()


def first_gradients():
    """T13: difference between the ranks' first gradients, and to a hand-written step."""
    model = toy(dropout=0.0)
    rule = Spy(rho=0.5)
    reference = copy.deepcopy(model)
    train(ddp(model), 1, rule=rule)
    mine = rule.seen[0]['body.0.weight']
    both = [torch.empty_like(mine) for _ in range(2)]
    dist.all_gather(both, mine)

    total = [torch.zeros_like(p) for p in reference.parameters()]
    for rank in range(2):
        climbed = copy.deepcopy(reference)
        climbed(**batch(rank))['loss'].backward()
        step = Step(climbed, sgd(climbed), SAM(rho=0.5))
        with step.moved(step.gradients()):
            climbed.zero_grad()
            climbed(**batch(rank))['loss'].backward()
        total = [t + p.grad / 2 for t, p in zip(total, climbed.parameters(), strict=True)]
    optimizer = sgd(reference)
    for p, gradient in zip(reference.parameters(), total, strict=True):
        p.grad = gradient
    optimizer.step()
    error = max(
        (p - q).abs().max().item()
        for p, q in zip(model.parameters(), reference.parameters(), strict=True)
    )
    return (both[0] - both[1]).abs().max().item(), error


def static_graph():
    """T14: the sentence it is refused with."""
    try:
        train(ddp(toy(), static_graph=True), 1)
    except ValueError as error:
        return str(error)


def matrix():
    """T15: replicas under every combination of options, plain buffers included."""
    names = 'broadcast_buffers', 'find_unused_parameters', 'gradient_as_bucket_view'
    found = {}
    for flags in itertools.product((False, True), repeat=3):
        options = dict(zip(names, flags, strict=True))
        model = train(ddp(toy(), **options), 3, rule=SAM(rho=0.5))
        found[str(options)] = apart(model), int(model.module.body[1].num_batches_tracked)
    return found


def zero_radius():
    """T01 on two ranks: difference to plain DistributedDataParallel."""
    ends = []
    for rule in (None, SAM(rho=0.0)):
        torch.manual_seed(dist.get_rank())
        model = toy()
        torch.manual_seed(dist.get_rank())
        ends.append(train(ddp(model, broadcast_buffers=True), 3, rule=rule).state_dict())
    return all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


class OneRankOverflows(Toy):
    """Infinite first gradients on rank 0 alone."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        losses = super().forward(inputs, data_samples, mode)
        bad = dist.get_rank() == 0 and len(self.calls) % 2 == 1
        return dict(loss=losses['loss'] * (float('inf') if bad else 1.0))


def overflow_on_one_rank():
    """T16: no rank takes another way; rank 0 stays at w and both synchronise."""
    model = toy(OneRankOverflows)
    train(ddp(model), 2, rule=SAM(rho=0.5))
    moved = not torch.equal(model.calls[0]['body.0.weight'], model.calls[1]['body.0.weight'])
    finite = all(torch.isfinite(p).all().item() for p in model.parameters())
    return apart(model), finite, moved == (dist.get_rank() == 1)


def skipped_steps():
    """T30: a plain step is synchronised."""
    return apart(train(ddp(toy()), 5, rule=SAM(rho=0.5), interval=2))


def accumulation():
    """Replicas after groups of three micro-batches, the last one short."""
    model = ddp(toy())
    wrapper = wrapped(model, rule=SAM(rho=0.5), accumulative_counts=3)
    wrapper.initialize_count_status(model, 0, 5)
    for number in range(5):
        model.train_step(data(number), wrapper)
    return apart(model)


def plain_loop():
    """two_pass_step under DistributedDataParallel, and what it refuses."""
    model = nn.parallel.DistributedDataParallel(toy())
    optimizer = sgd(model)
    for number in range(10):
        mine = data(number)
        two_pass_step(model, optimizer, SAM(rho=0.5), lambda mine=mine: model(**mine)['loss'])
    for ascent in ('sampled', 'look'):
        for number in range(6):
            mine = data(number)
            two_pass_step(model, optimizer, SAM(rho=0.5), loss_of(model, mine), ascent)
    return apart(model)


SCENARIOS = [
    replicas_stay_equal,
    ascents_stay_equal,
    climbed_together,
    first_gradients,
    static_graph,
    matrix,
    zero_radius,
    overflow_on_one_rank,
    skipped_steps,
    accumulation,
    plain_loop,
]


def main(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'file://{folder}/store', rank=int(rank), world_size=2)
    results = {scenario.__name__: scenario() for scenario in SCENARIOS}
    torch.save(results, f'{folder}/{rank}.pt')
    dist.destroy_process_group()


if __name__ == '__main__':
    main(*sys.argv[1:])
