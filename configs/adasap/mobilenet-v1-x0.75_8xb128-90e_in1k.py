# MobileNetV1 of 0.75 times the width, the outside comparison of the MobileNets that were pruned.
_base_ = './mobilenet-v1_8xb128-90e_in1k.py'

model = dict(backbone=dict(widen_factor=0.75), head=dict(in_channels=768))
