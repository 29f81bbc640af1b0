"""Methods of other papers as recipes: a file each, which says how it differs from its neighbour."""

from .dfpc import DFPC
from .eagleeye import EagleEye
from .filters import L1Norm
from .greg import GReg1, GReg2
from .halp import HALP
from .hrank import HRank
from .lwm import LWM
from .obd import OBD, GroupHessian
from .rap_admm import RAPADMM
from .sfp import SFP, SmoothSFP, SoftFPGM
from .slimming import Polarisation, Slimming
from .smcp import SMCP

METHODS: dict[str, type] = dict(
    l1norm=L1Norm,
    hrank=HRank,
    eagleeye=EagleEye,
    sfp=SFP,
    soft_fpgm=SoftFPGM,
    smooth_sfp=SmoothSFP,
    rap_admm=RAPADMM,
    slimming=Slimming,
    polarisation=Polarisation,
    greg1=GReg1,
    greg2=GReg2,
    obd=OBD,
    group_hessian=GroupHessian,
    dfpc=DFPC,
    halp=HALP,
    smcp=SMCP,
    lwm=LWM,
)
