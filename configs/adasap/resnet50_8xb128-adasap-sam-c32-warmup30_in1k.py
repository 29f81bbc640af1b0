# The same after 30 epochs of warm-up.
_base_ = './resnet50_8xb128-adasap-sam-c32_in1k.py'

robust_prune = dict(warmup='30 epochs')
