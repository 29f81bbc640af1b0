# Algorithm 1 as it is printed: z goes on from batch to batch, its step is the learning rate over
# the norm of all gradients, and it is shortened only where it leaves the ball; the scores step
# along their normalised gradient, and the mask at which a batch had the least robust loss is taken.
_base_ = './resnet18_s2ap-hydra-p90_cifar10.py'

robust_prune = dict(
    rule=dict(norm='network', bound='ball', step='schedule', carry=True, inner_steps=1),
    ascent=dict(type='fresh', sync=True),  # one z of the global batch, on several devices, too
    update='normalised',
    search_optimizer=dict(lr=0.1, momentum=0, weight_decay=0),
    select='loss',
)
