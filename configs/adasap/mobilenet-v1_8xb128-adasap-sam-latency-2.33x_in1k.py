# The same, 2.33 times as fast.
_base_ = './mobilenet-v1_8xb128-adasap-sam-latency-1.70x_in1k.py'

robust_prune = dict(target=1 - 1 / 2.33)
