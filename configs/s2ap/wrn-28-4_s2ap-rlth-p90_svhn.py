# WRN-28-4 on SVHN: 20 epochs of search for a robust ticket in random weights, nothing else.
_base_ = [
    './wrn-28-4_trades-100e_svhn.py',
    '../recipes/s2ap_rlth.py',
    './_base_/measured.py',
]

train_cfg = dict(max_epochs=20)
robust_prune = dict(target=0.9, gamma=0.005, warmup='5 epochs')
