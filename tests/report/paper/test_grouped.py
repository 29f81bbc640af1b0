"""The choices of grouped kernels as facts of a run."""

from mmrobustprune.recipes.grouped import EveryConvolutionRecipe
from mmrobustprune.report.paper.grouped import grouped_facts


def test_names_of_what_was_chosen():
    recipe = EveryConvolutionRecipe(0.5, search=dict(type='beam', alpha=0.25))
    found = grouped_facts(vars(recipe))
    assert found == dict(search='beam', grouping='snaking', groups=8, layers='all', alpha=0.25)
