# ResNet-56 on CIFAR-10, from a trained one.
_base_ = ['../../sr_gkp/_base_/resnet.py', './cifar10.py']

load_from = 'work_dirs/resnet56_cifar10/epoch_200.pth'
