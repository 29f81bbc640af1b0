# The same detector from ImageNet weights; the arms differ in what ranks units.
title = 'SSDLite-MobileNetV2 from ImageNet weights on BCCD, by what ranks units'
base = '../bccd/ssdlite_mobilenetv2-pretrained_bccd.py'
methods = {
    'magnitude': dict(config='../bccd/ssdlite_mobilenetv2-pretrained-magnitude-p50_bccd.py'),
    'adasap': dict(config='../bccd/ssdlite_mobilenetv2-pretrained-adasap-p50_bccd.py'),
    'magnitude-mean': dict(
        config='../bccd/ssdlite_mobilenetv2-pretrained-magnitude-mean-p50_bccd.py'
    ),
    'oneshot-layer': dict(
        config='../bccd/ssdlite_mobilenetv2-pretrained-oneshot-layer-p50_bccd.py'
    ),
}
epochs = 12
size = (224, 224)
budget = dict(of='params', removed=0.5)
suite = 'voc-c'
