"""`pip install -e .`: package and configs; an installed torch or OpenMMLab stays as it is."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def configs() -> list[str]:
    """The config tree as package data: `.mim/configs` is a link to `configs` in a checkout."""
    package = ROOT / 'mmrobustprune'
    return ['.mim/model-index.yml'] + [
        str(Path('.mim') / path.relative_to(ROOT))
        for path in sorted((ROOT / 'configs').rglob('*.py'))
        if (package / '.mim' / path.relative_to(ROOT)).exists()
    ]


version = next(
    line.split("'")[1]
    for line in (ROOT / 'mmrobustprune' / '__init__.py').read_text().splitlines()
    if line.startswith('__version__')
)
readme = ROOT / 'README.md'


class BuildPy(build_py):
    """Takes the line along that Python runs at its start, for a place beside the package."""

    def run(self) -> None:
        super().run()
        editable = self.editable_mode
        beside = self.get_finalized_command('install').install_lib if editable else self.build_lib
        self.copy_file(str(ROOT / 'mmrobustprune.pth'), beside)


setup(
    name='mmrobustprune',
    version=version,
    description='Vision networks made small and robust at once, inside OpenMMLab',
    long_description=readme.read_text() if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    cmdclass={'build_py': BuildPy},
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['mmrobustprune*']),
    package_data={'mmrobustprune': configs()},
    install_requires=requirements('core'),
    extras_require={
        name: requirements(name) for name in ('corruption', 'openmmlab', 'attack', 'dev')
    },
    zip_safe=False,
)
