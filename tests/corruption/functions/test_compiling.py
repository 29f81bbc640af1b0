import numpy as np

from mmrobustprune.corruption.functions.compiling import compiled, missing


@compiled
def _doubled(values):
    out = np.empty_like(values)
    for i in range(len(values)):
        out[i] = 2 * values[i]
    return out


def test_a_compiled_loop_leaves_pythons_lock_and_gives_what_python_gives():
    assert _doubled(np.arange(3.0)).tolist() == _doubled.py_func(np.arange(3.0)).tolist()
    assert _doubled.targetoptions['nogil']


def test_a_module_that_does_not_import_is_named_with_the_package_that_brings_it():
    error = missing('numba', ImportError('No module named numba'), 'imagecorruptions-imaug')
    assert 'corruptions need the module' in str(error)
    assert str(error).endswith('pip install imagecorruptions-imaug.')
