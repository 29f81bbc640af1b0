# AdaSAP without ASAM loses 32 % of its channels, the budget with which the paper varies the warm-up
# (10 epochs here); the fraction is our choice, for about its 46 % of the parameters.
_base_ = './resnet50_8xb128-adasap-sam-p60_in1k.py'

robust_prune = dict(target=0.32, budget='channels')
