_base_ = './resnet50_imagenet-v2-matched.py'

test_dataloader = dict(dataset=dict(variant='top-images'))
