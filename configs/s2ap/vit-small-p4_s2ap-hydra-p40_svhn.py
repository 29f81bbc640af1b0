# The vision transformer on SVHN: 40 % of the weights of its blocks removed by S2AP on HYDRA.
# Patches and head stay dense. The paper has it on CIFAR-10 alone.
_base_ = [
    './vit-small-p4_trades-100e_svhn.py',
    '../recipes/s2ap_hydra.py',
    './_base_/measured.py',
]

load_from = 'work_dirs/vit-small-p4_trades-100e_svhn/epoch_100.pth'
train_cfg = dict(max_epochs=120)
robust_prune = dict(
    target=0.4,
    gamma=0.0025,
    ignore=('backbone.patch_embed', 'head'),
    search='20 epochs',
    warmup='5 epochs',
    search_optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4),
    finetune_optimizer=dict(lr=5e-5),
)
