# ResNet-50 on ImageNet: S2AP on HYDRA from an adversarially trained network (load_from; HARP's own
# checkpoint fits, too), 10 epochs of search, 25 of fine-tuning. Every 100th training image
# validates, so that no image that tests chooses the mask.
_base_ = [
    './resnet50_fastat-90e_in1k.py',
    '../recipes/s2ap_hydra.py',
    './_base_/measured.py',
]

train_dataloader = dict(dataset=dict(type='mmrobustprune.ImageNetPart', every=100, held=False))
val_dataloader = dict(
    dataset=dict(type='mmrobustprune.ImageNetPart', split='train', every=100, held=True)
)
load_from = 'work_dirs/resnet50_fastat-90e_in1k/epoch_90.pth'
train_cfg = dict(max_epochs=35)
robust_prune = dict(
    target=0.9,
    gamma=0.0075,
    search='10 epochs',
    warmup='5 epochs',
)
