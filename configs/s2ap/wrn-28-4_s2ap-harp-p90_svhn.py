# WRN-28-4 on SVHN: 90 % of the weights removed by S2AP on HARP, with the paper's radius;
# --cfg-options robust_prune.gamma=0 is HARP.
_base_ = ['./wrn-28-4_trades-220e_svhn.py', '../recipes/s2ap_harp.py']

robust_prune = dict(
    target=0.9, gamma=0.005, pretrain='100 epochs', search='20 epochs', warmup='5 epochs'
)
