"""What a reader must know of a method before its numbers are compared with another's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """The checklist of a method, as SR-GKP (NeurIPS 2023) asks for it in its Table 10.

    Attributes:
        paper: where it was published.
        unit: what is removed: 'channel', 'grouped kernel' or 'weight'.
        procedure: 'once', 'in rounds', 'layer by layer', or what comes before it.
        result: whether what goes is 'removed' from the tensors or 'masked' with zeros.
        final: the first epoch after which the network has its final size.
        data: what is needed to choose what goes, beside the weights; 'none' for weights alone.
        cost: what is spent beside a training of the same length; 'none' for nothing.
        setup: what else is special; '' for nothing.
    """

    paper: str
    unit: str = 'channel'
    procedure: str = 'once'
    result: str = 'removed'
    final: str = 'the first'
    data: str = 'none'
    cost: str = 'none'
    setup: str = ''
