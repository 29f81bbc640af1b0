"""Small ONNX classifiers, written operator by operator."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_classifier(
    path, classes=3, batch=None, domain='', operator='GlobalAveragePool', size=None
):
    """logits = W mean(image); W is the identity over channels 0..2. Returns the path."""
    weight = np.eye(classes, 3, dtype=np.float32)
    nodes = [
        helper.make_node(operator, ['x'], ['pooled'], domain=domain),
        helper.make_node('Flatten', ['pooled'], ['flat']),
        helper.make_node('Gemm', ['flat', 'w'], ['logits'], transB=1),
    ]
    shape = [batch or 'n', 3, size or 'h', size or 'w']
    graph = helper.make_graph(
        nodes,
        'small',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, [batch or 'n', classes])],
        [numpy_helper.from_array(weight, 'w')],
    )
    opsets = [helper.make_opsetid('', 17)]
    opsets += [helper.make_opsetid(domain, 1)] if domain else []
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, str(path))
    return path
