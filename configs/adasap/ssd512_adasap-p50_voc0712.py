# SSD512 on VOC 2007+2012 loses half its parameters while it trains on its own schedule.
# Set load_from to a trained SSD512; from the ImageNet backbone alone the scores rank a head that
# has learned nothing yet.
_base_ = 'mmdet::pascal_voc/ssd512_voc0712.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
