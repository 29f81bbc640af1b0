# ResNet-50 on ImageNet, dense and adversarially trained, in place of HARP's checkpoint. The paper
# names Fast-AT and no radius; 4/255 is HARP's.
_base_ = './resnet50_8xb32-90e_in1k.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier', robust_loss=dict(type='FastAT', eps=4 / 255)
)
val_cfg = dict(type='mmrobustprune.AttackedValLoop', eps=4 / 255, step=1 / 255)
