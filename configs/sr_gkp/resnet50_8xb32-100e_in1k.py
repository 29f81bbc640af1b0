# ResNet-50 on ImageNet, dense, 256 images a step, as mmpretrain trains it: the schedule is the
# paper's. tools/import_dense.py brings torchvision's weights into its place.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'
