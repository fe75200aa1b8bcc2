"""Gives every exported graph the same IR version and the same two operator sets."""

import onnx

from paths import IR_VERSION, OPSET


def seal(model: onnx.ModelProto) -> onnx.ModelProto:
    """Declares IR_VERSION and OPSET and checks the model against them.

    The converters declare the lowest sets that their nodes need. None of these nodes has changed between those sets and OPSET.
    """
    model.ir_version = IR_VERSION
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in OPSET.items())
    onnx.checker.check_model(model, full_check=True)
    return model
