# AdaSAP, its parts and its neighbours at half the parameters: equal epochs, the plain ones also at
# equal gradients; and the ascents that save the second pass. Trained in bfloat16 but for two arms,
# which show what that changes.
title = 'AdaSAP and its neighbours, ResNet-20 on 10,000 images of CIFAR-10 as JPEG'
base = '../cifar_jpeg/resnet20_10k_cifar10-jpeg.py'
adasap = '../cifar_jpeg/resnet20_10k-adasap-p50_cifar10-jpeg.py'
magnitude = '../cifar_jpeg/resnet20_10k-magnitude-p50_cifar10-jpeg.py'
bf16 = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16'}
taylor = {'robust_prune.recipe': 'taylor', **bf16}
sam = {'type': 'SAM', 'rho': 0.05, 'params': 'weight'}
methods = {
    'adasap': dict(config=adasap, options=bf16),
    'magnitude': dict(config=magnitude, options=bf16),
    'taylor': dict(config=magnitude, options=taylor),
    'adasap-without-asam': dict(
        config=adasap,
        options={
            **bf16,
            'robust_prune.rule.type': 'AdaSAP',
            'robust_prune.rule.rho_min': 0.01,
            'robust_prune.rule.rho_max': 0.1,
            'robust_prune.rule.adaptive': False,
            **{f'robust_prune.finetune_rule.{key}': value for key, value in sam.items()},
        },
    ),
    'sam': dict(
        config=magnitude,
        options={
            **taylor,
            **{f'robust_prune.rule.{key}': value for key, value in sam.items()},
            **{f'robust_prune.finetune_rule.{key}': value for key, value in sam.items()},
        },
    ),
    'magnitude-2x': dict(config=magnitude, options=bf16, times=2, costs_as='adasap'),
    'taylor-2x': dict(config=magnitude, options=taylor, times=2, costs_as='adasap'),
    'adasap-momentum': dict(config=adasap, options={'robust_prune.ascent': 'momentum', **bf16}),
    'adasap-previous': dict(config=adasap, options={'robust_prune.ascent': 'previous', **bf16}),
    'adasap-look': dict(config=adasap, options={'robust_prune.ascent': 'look', **bf16}),
    'adasap-float32': dict(config=adasap),
    'magnitude-float32': dict(config=magnitude),
}
del adasap, magnitude, bf16, taylor, sam
reference = 'magnitude'
epochs = 15
seeds = (0, 1, 2)
size = (32, 32)
budget = dict(of='params', removed=0.5)
weights = 'data/resnet20_cifar10.pth'
suite = 'imagenet-c-at-32'
subset = 2000
attacks = {'pixel': '--preset pixel --attack fgsm pgd --eps 1/255 2/255 --subset 2000'}
