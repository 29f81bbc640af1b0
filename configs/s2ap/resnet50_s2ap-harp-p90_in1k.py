# ResNet-50 on ImageNet: S2AP on HARP from an adversarially trained checkpoint (load_from), 10
# epochs of search, 25 of fine-tuning. The paper names Fast-AT and no radius; 4/255 is HARP's. As
# HARP does, the mask is chosen by the validation set, which is the test set here: give
# val_dataloader held-out images to avoid that.
_base_ = ['./resnet50_8xb32-90e_in1k.py', '../recipes/s2ap_harp.py']

model = dict(
    type='mmrobustprune.AdversarialClassifier', robust_loss=dict(type='FastAT', eps=4 / 255)
)
train_cfg = dict(max_epochs=35)
val_cfg = dict(type='mmrobustprune.AttackedValLoop', eps=4 / 255, step=1 / 255)
robust_prune = dict(target=0.9, gamma=0.0075, search='10 epochs', warmup='5 epochs')
