# MobileNetV1 of 0.5 times the width, dense.
_base_ = './mobilenet-v1_8xb128-90e_in1k.py'

model = dict(backbone=dict(widen_factor=0.5), head=dict(in_channels=512))
