import functools

import mmengine.config.utils
import pytest


@pytest.fixture(scope='package', autouse=True)
def model_indices_are_parsed_once():
    """mmengine parses all model indices of a package anew for every base taken from it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.config.utils, 'load', functools.cache(mmengine.config.utils.load))
        yield
