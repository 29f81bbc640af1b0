# Every native method that makes a network smaller, at the MACs that SR-GKP leaves at its 43.75 %.
# Left out: lwm, whose zeros save no MACs, and tmi_gkp, which needs checkpoints of a dense training.
title = 'All methods at equal MACs, ResNet-20 on 10,000 images of CIFAR-10 as JPEG'
base = '../cifar_jpeg/resnet20_10k_cifar10-jpeg.py'
gradual = '../cifar_jpeg/resnet20_10k-magnitude-p50_cifar10-jpeg.py'
slow = {'optim_wrapper.optimizer.lr': 0.01}
macs = {'robust_prune.target': 0.4327, 'robust_prune.budget': 'macs', **slow}
names = ('magnitude', 'taylor', 'l1norm', 'hrank', 'eagleeye', 'sfp', 'soft_fpgm', 'smooth_sfp')
names += ('slimming', 'polarisation', 'greg1', 'greg2', 'obd', 'group_hessian', 'adasap')
methods = {
    name: dict(config=gradual, options={'robust_prune.recipe': name, **macs}) for name in names
}
kernels = {'robust_prune.recipe': 'sr_gkp', 'robust_prune.target': 0.4375, **slow}
methods['sr_gkp'] = dict(config=gradual, options=kernels)
methods['sr_gkp-official'] = dict(
    config=gradual, options={**kernels, 'robust_prune.search': 'official'}
)
del gradual, slow, macs, names, kernels
reference = 'magnitude'
epochs = 10
seeds = (0, 1, 2)
size = (32, 32)
budget = dict(of='macs', removed=0.4327)
weights = 'data/resnet20_cifar10.pth'
suite = 'imagenet-c-at-32'
subset = 2000
attacks = {'pixel': '--preset pixel --attack fgsm pgd --eps 1/255 2/255 --subset 2000'}
