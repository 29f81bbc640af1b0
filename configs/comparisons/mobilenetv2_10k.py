# MobileNetV2 from ImageNet weights, trained on 10,000 images at 96 pixels, then 72 % of the
# parameters kept: AdaSAP's row for it, in small.
title = 'MobileNetV2 at 96 pixels on 10,000 images of CIFAR-10 as JPEG'
base = '../cifar_jpeg/mobilenetv2-96px_10k_cifar10-jpeg.py'
half = '../cifar_jpeg/mobilenetv2-96px_10k-p28_cifar10-jpeg.py'
methods = {
    name: dict(config=half, options={'robust_prune.recipe': name})
    for name in ('adasap', 'taylor', 'magnitude')
}
del half
reference = 'magnitude'
epochs = 8
seeds = (0, 1, 2)
size = (96, 96)
budget = dict(of='params', removed=0.28)
dense_seed = 0
dense_epochs = 10
suite = 'imagenet-c-at-32'
corruptions = ('all',)
subset = 2000
