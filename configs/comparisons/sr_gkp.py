# Ways of grouped-kernel pruning, and filters of least L1 norm at as many parameters.
title = 'Grouped-kernel pruning of ResNet-20 on CIFAR-10 as JPEG'
base = '../cifar_jpeg/resnet20_cifar10-jpeg.py'
methods = {
    'sr-gkp-p44': dict(config='../cifar_jpeg/resnet20_sr-gkp-p44_cifar10-jpeg.py'),
    'sr-gkp-official-p44': dict(
        config='../cifar_jpeg/resnet20_sr-gkp-official-p44_cifar10-jpeg.py'
    ),
    'sr-gkp-l2-p44': dict(config='../cifar_jpeg/resnet20_sr-gkp-l2-p44_cifar10-jpeg.py'),
    'sr-gkp-random-p44': dict(config='../cifar_jpeg/resnet20_sr-gkp-random-p44_cifar10-jpeg.py'),
    'l1-filters': dict(config='../cifar_jpeg/resnet20_l1-filters_cifar10-jpeg.py'),
}
epochs = 10
size = (32, 32)
budget = dict(of='params', removed=0.4335)
weights = 'data/resnet20_cifar10.pth'
suite = 'imagenet-c-at-32'
attacks = {
    'sr-gkp': '--preset sr-gkp --attack fgsm pgd --subset 5000',
    'pixel': '--preset pixel --attack fgsm pgd --subset 5000',
}
