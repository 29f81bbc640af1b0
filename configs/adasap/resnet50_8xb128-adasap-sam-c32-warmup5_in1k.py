# The same after 5 epochs of warm-up.
_base_ = './resnet50_8xb128-adasap-sam-c32_in1k.py'

robust_prune = dict(warmup='5 epochs')
