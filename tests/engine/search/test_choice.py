"""Which mask a search takes."""

import pytest
import torch

from mmrobustprune.engine.search.choice import BestMask, LeastLossMask


def test_best_masks_meet_the_target():
    model = torch.nn.Linear(2, 2)
    choice = BestMask('m')
    with pytest.raises(ValueError, match='no validation fell into the search'):
        choice.restore(model)
    choice.after_val(model, dict(m=0.9), lambda: False, 1)
    with pytest.raises(ValueError, match='no mask of the search met the target'):
        choice.restore(model)
    choice.after_val(model, dict(m=0.5), lambda: True, 2)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1)
    choice.after_val(model, dict(m=0.4), lambda: True, 3)
    choice.restore(model)
    assert (choice.value, choice.iteration) == (0.5, 2) and torch.equal(model.weight, before)
    with pytest.raises(ValueError, match="robust_prune.metric='m' is no metric of the validation"):
        choice.after_val(model, dict(top1=1.0), lambda: True, 4)


def test_the_least_loss_takes_the_state_before_the_update():
    """And that state must meet the target, whatever the update makes of it."""
    model, choice = torch.nn.Linear(1, 1), LeastLossMask('m')
    for iteration, (value, loss) in enumerate(((1.0, 0.7), (2.0, 0.3), (3.0, 0.5), (9.0, 0.1))):
        with torch.no_grad():
            model.weight.fill_(value)
        choice.before_iter(model, lambda: model.weight.item() < 4)
        with torch.no_grad():
            model.weight.fill_(-1)
        choice.after_iter(torch.tensor(loss), iteration)
    choice.restore(model)
    assert (
        choice.value == pytest.approx(0.3) and choice.iteration == 1 and model.weight.item() == 2.0
    )
