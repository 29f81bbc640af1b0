# The same detector in half the time of a forward pass, from what 'dense' of bccd trained.
title = 'SSDLite-MobileNetV2 on BCCD in half the time'
base = '../bccd/ssdlite_mobilenetv2-scratch_bccd.py'
methods = {
    'adasap': dict(config='../bccd/ssdlite_mobilenetv2-adasap-latency-2x_bccd.py'),
    'halp': dict(config='../bccd/ssdlite_mobilenetv2-halp-latency-2x_bccd.py'),
    'magnitude': dict(config='../bccd/ssdlite_mobilenetv2-magnitude-latency-2x_bccd.py'),
}
epochs = 20
size = (320, 320)
budget = dict(of='latency', removed=0.5)
weights = '{work}/bccd/dense-seed0/epoch_20.pth'
table = '{work}/bccd_latency/latency_table.json'
suite = 'voc-c'
