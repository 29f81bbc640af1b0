"""Distributions that are installed as far as their names and versions go."""


def pretend(folder, name, version, module):
    """The record that pip leaves of a distribution with one module."""
    record = folder / f'{name.replace("-", "_")}-{version}.dist-info'
    record.mkdir(parents=True)
    (record / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    (record / 'top_level.txt').write_text(f'{module}\n')
