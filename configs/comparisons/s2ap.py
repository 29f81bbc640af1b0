# S2AP on HYDRA and HARP against these alone.
title = 'S2AP on HYDRA and HARP, ResNet-20 on 10,000 images of CIFAR-10 as JPEG'
base = '../s2ap_jpeg/resnet20_trades-10k.py'
methods = {
    'hydra': dict(config='../s2ap_jpeg/resnet20_hydra-p90.py'),
    's2ap-hydra': dict(config='../s2ap_jpeg/resnet20_s2ap-hydra-p90.py'),
    'harp': dict(config='../s2ap_jpeg/resnet20_harp-p90.py'),
    's2ap-harp': dict(config='../s2ap_jpeg/resnet20_s2ap-harp-p90.py'),
}
epochs = 12
size = (32, 32)
budget = dict(of='weights', removed=0.9)
dense_seed = 0
dense_epochs = 20
kept = 'docs/results/s2ap/dense-seed0.pth'
attacks = {
    'pgd10': '--attack pgd --eps 8/255 --step 2/255 --steps 10 --random-start --subset 2000 '
    '--batch-size 50',
    'auto': '--attack autoattack --eps 8/255 --subset 200 --batch-size 50',
}
robust = ('pgd10 pgd 0.0314', 20.0)
