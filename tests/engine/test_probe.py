"""Scripts that were written for the first version still find their names."""

from mmrobustprune.engine import probe
from mmrobustprune.engine.bridge import model
from mmrobustprune.structure import compare
from mmrobustprune.surgery import verify


def test_the_names_are_those_of_the_present():
    assert probe.tensor_forward is model.tensor_forward
    assert probe.example_of_shape is model.example_of_shape
    assert verify.difference is compare.difference
