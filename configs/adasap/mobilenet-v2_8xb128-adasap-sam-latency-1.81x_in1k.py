# The same, 1.81 times as fast.
_base_ = './mobilenet-v2_8xb128-adasap-sam-latency-1.39x_in1k.py'

robust_prune = dict(target=1 - 1 / 1.81)
