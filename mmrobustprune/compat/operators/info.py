"""What mmcv's environment report prints in place of compiler versions."""

OPERATORS = ('get_compiler_version', 'get_compiling_cuda_version')


def get_compiler_version() -> str:
    """In place of the compiler of mmcv's operators."""
    return "none: mmrobustprune's operators stand in"


def get_compiling_cuda_version() -> str:
    """In place of the CUDA version of mmcv's operators: torchvision's kernels are torch's."""
    return 'not compiled'
