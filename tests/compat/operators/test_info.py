from mmrobustprune.compat.operators import info


def test_the_environment_report_says_who_computes(operators):
    assert operators.get_compiler_version() == "none: mmrobustprune's operators stand in"
    assert operators.get_compiling_cuda_version() == info.get_compiling_cuda_version()
