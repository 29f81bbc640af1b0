# SSDLite-MobileNetV2 from scratch on BCCD, half the parameters.
title = 'SSDLite-MobileNetV2 on BCCD'
base = '../bccd/ssdlite_mobilenetv2-scratch_bccd.py'
methods = {
    'adasap': dict(config='../bccd/ssdlite_mobilenetv2-adasap-p50_bccd.py'),
    'magnitude': dict(config='../bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py'),
    'magnitude-2x': dict(
        config='../bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py', times=2, costs_as='adasap'
    ),
}
epochs = 20
size = (320, 320)
budget = dict(of='params', removed=0.5)
suite = 'voc-c'
