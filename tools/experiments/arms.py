"""The experiments of run_arms.py: arms that start from one dense model, as data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arm:
    """A config, how many times the experiment's epochs it trains, and options of the config."""

    config: str
    times: int = 1
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """Arms that start from one dense model.

    Attributes:
        suite: of corruptions, at severity 3; '' leaves them out.
        size: height and width of the input in pixels.
        subset: images under corruption, chosen by their own seed; 0 takes all.
        epochs: of the shorter arms.
        dense: config of the dense network.
        weights: of the dense network; '' is what the arm 'dense' trains per seed. {work} is the
            folder of --work-dir.
        dense_seed: the arm 'dense' is trained once, with this seed, for all seeds of the others.
        kept: weights of the arm 'dense' that lie in the repository, for who has not trained it.
        attacks: name -> options of tools/attack.py.
        table: of latencies, which all arms share.
        dense_epochs: where they are others than those of the arms.
        robust: the column, and what the dense network must reach in it for the arms to mean
            anything.
    """

    title: str
    suite: str
    size: tuple[int, int]
    epochs: int
    dense: str
    arms: dict[str, Arm] = field(default_factory=dict)
    weights: str = ''
    subset: int = 0
    dense_seed: int | None = None
    kept: str = ''
    attacks: dict[str, tuple] = field(default_factory=dict)
    table: str = ''
    dense_epochs: int = 0
    robust: tuple[str, float] | None = None


def ranking_arms() -> dict[str, Arm]:
    """Two recipes, each by its own ranking and by the former one, recalibrated or not."""
    arms = {}
    for name in ('magnitude', 'magnitude-mean', 'adasap', 'adasap-mean'):
        config = f'cifar_jpeg/resnet20_10k-{name}-p50_cifar10-jpeg.py'
        arms[name] = Arm(config)
        arms[f'{name}-as-cut'] = Arm(config, options=('robust_prune.recalibrate=',))
    return arms


EXPERIMENTS = {
    'bccd': Experiment(
        'SSDLite-MobileNetV2 on BCCD',
        'voc-c',
        (320, 320),
        20,
        'bccd/ssdlite_mobilenetv2-scratch_bccd.py',
        {
            'adasap': Arm('bccd/ssdlite_mobilenetv2-adasap-p50_bccd.py'),
            'magnitude': Arm('bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py'),
            'magnitude-2x': Arm('bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py', 2),
        },
    ),
    'bccd_pretrained': Experiment(
        'SSDLite-MobileNetV2 from ImageNet weights on BCCD, by what ranks units',
        'voc-c',
        (224, 224),
        12,
        'bccd/ssdlite_mobilenetv2-pretrained_bccd.py',
        {
            name: Arm(f'bccd/ssdlite_mobilenetv2-pretrained-{name}-p50_bccd.py')
            for name in ('magnitude', 'adasap', 'magnitude-mean', 'oneshot-layer')
        },
    ),
    'cifar_jpeg_ranking': Experiment(
        'ResNet-20 on 10,000 images of CIFAR-10 as JPEG, by what ranks units',
        'imagenet-c-at-32',
        (32, 32),
        10,
        'cifar_jpeg/resnet20_10k_cifar10-jpeg.py',
        ranking_arms(),
        weights='data/resnet20_cifar10.pth',
        subset=2000,
    ),
    'bccd_latency': Experiment(
        'SSDLite-MobileNetV2 on BCCD in half the time',
        'voc-c',
        (320, 320),
        20,
        'bccd/ssdlite_mobilenetv2-scratch_bccd.py',
        {
            name: Arm(f'bccd/ssdlite_mobilenetv2-{name}-latency-2x_bccd.py')
            for name in ('adasap', 'halp', 'magnitude')
        },
        weights='{work}/bccd/dense-seed0/epoch_20.pth',
        table='{work}/bccd_latency/latency_table.json',
    ),
    'cifar_jpeg': Experiment(
        'ResNet-20 on CIFAR-10 as JPEG',
        'imagenet-c-at-32',
        (32, 32),
        10,
        'cifar_jpeg/resnet20_cifar10-jpeg.py',
        {
            'adasap': Arm('cifar_jpeg/resnet20_adasap-p50_cifar10-jpeg.py'),
            'magnitude': Arm('cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py'),
            'magnitude-2x': Arm('cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py', 2),
        },
        weights='data/resnet20_cifar10.pth',
    ),
    'sr_gkp': Experiment(
        'Grouped-kernel pruning of ResNet-20 on CIFAR-10 as JPEG',
        'imagenet-c-at-32',
        (32, 32),
        10,
        'cifar_jpeg/resnet20_cifar10-jpeg.py',
        {
            name: Arm(f'cifar_jpeg/resnet20_{name}_cifar10-jpeg.py')
            for name in (
                'sr-gkp-p44',
                'sr-gkp-official-p44',
                'sr-gkp-l2-p44',
                'sr-gkp-random-p44',
                'l1-filters',
            )
        },
        weights='data/resnet20_cifar10.pth',
        attacks={
            preset: ('--preset', preset, '--attack', 'fgsm', 'pgd', '--subset', 5000)
            for preset in ('sr-gkp', 'pixel')
        },
    ),
    's2ap': Experiment(
        'S2AP on HYDRA and HARP, ResNet-20 on 10,000 images of CIFAR-10 as JPEG',
        '',
        (32, 32),
        12,
        's2ap_jpeg/resnet20_trades-10k.py',
        {
            name: Arm(f's2ap_jpeg/resnet20_{name}-p90.py')
            for name in ('hydra', 's2ap-hydra', 'harp', 's2ap-harp')
        },
        attacks={
            'pgd10': tuple(
                '--attack pgd --eps 8/255 --step 2/255 --steps 10 --random-start '
                '--subset 2000 --batch-size 50'.split()
            ),
            'auto': tuple('--attack autoattack --eps 8/255 --subset 200 --batch-size 50'.split()),
        },
        dense_seed=0,
        kept='docs/results/s2ap/dense-seed0.pth',
        dense_epochs=20,
        robust=('pgd10 pgd 0.0314', 20.0),
    ),
}
