# ResNet-20 on all of CIFAR-10 as JPEG, half the parameters.
title = 'ResNet-20 on CIFAR-10 as JPEG'
base = '../cifar_jpeg/resnet20_cifar10-jpeg.py'
methods = {
    'adasap': dict(config='../cifar_jpeg/resnet20_adasap-p50_cifar10-jpeg.py'),
    'magnitude': dict(config='../cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py'),
    'magnitude-2x': dict(
        config='../cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py', times=2, costs_as='adasap'
    ),
}
epochs = 10
size = (32, 32)
budget = dict(of='params', removed=0.5)
weights = 'data/resnet20_cifar10.pth'
suite = 'imagenet-c-at-32'
