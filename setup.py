"""`pip install -e .`: package, configs, tools; an installed torch or OpenMMLab stays."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def package_data() -> list[str]:
    """Configs, tools and cited numbers: `.mim/configs`, `.mim/tools` are links in a checkout."""
    mim = ROOT / 'mmrobustprune' / '.mim'
    found = ['.mim/model-index.yml', 'report/paper/cited/*.csv']
    for pattern in ('configs/**/*.py', 'tools/*.py', 'tools/*.sh', 'tools/steps/*.py'):
        for path in sorted(ROOT.glob(pattern)):
            below = path.relative_to(ROOT)
            if (mim / below).exists():
                found.append(str(Path('.mim') / below))
    return found


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
    package_data={'mmrobustprune': package_data()},
    install_requires=requirements('core'),
    extras_require={
        name: requirements(name)
        for name in ('corruption', 'openmmlab', 'onedl', 'attack', 'onnx', 'docs', 'dev')
    },
    entry_points={'console_scripts': ['mmrobustprune = mmrobustprune.console:main']},
    zip_safe=False,
)
