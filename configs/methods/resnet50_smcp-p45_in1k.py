# SMCP (ECCV 2022), 45 % of the latency: masks are chosen anew every 320 iterations in the first
# half of the 90 epochs. The training is HALP's; the schedule of the masks was not looked up.
_base_ = './resnet50_halp-p45_in1k.py'

robust_prune = dict(_delete_=True, recipe='smcp', target=0.45, batch=256, round_to=32)
