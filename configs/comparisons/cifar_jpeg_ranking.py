# What ranks units: the ranking of the recipes and the former one, recalibrated or not.
title = 'ResNet-20 on 10,000 images of CIFAR-10 as JPEG, by what ranks units'
base = '../cifar_jpeg/resnet20_10k_cifar10-jpeg.py'
methods = {}
for name in ('magnitude', 'magnitude-mean', 'adasap', 'adasap-mean'):
    config = f'../cifar_jpeg/resnet20_10k-{name}-p50_cifar10-jpeg.py'
    methods[name] = dict(config=config)
    methods[f'{name}-as-cut'] = dict(config=config, options={'robust_prune.recalibrate': ''})
del name, config
epochs = 10
size = (32, 32)
budget = dict(of='params', removed=0.5)
weights = 'data/resnet20_cifar10.pth'
suite = 'imagenet-c-at-32'
subset = 2000
