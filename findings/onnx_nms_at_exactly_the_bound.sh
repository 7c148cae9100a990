#!/usr/bin/env bash
# Guessed: one operator, one answer: two boxes that overlap by exactly the bound both stay in either engine ('greater than')
# Seen:    onnxruntime keeps both, OpenVINO drops the second; overlapping by a little more or less they agree
# Versions: onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check  onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["kept"])
inputs = [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, "n", 4]), helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, "n"])]
outputs = [helper.make_tensor_value_info("kept", TensorProto.INT64, ["k", 3])]
bounds = [helper.make_tensor("most", TensorProto.INT64, [1], [10]), helper.make_tensor("iou", TensorProto.FLOAT, [1], [0.5]), helper.make_tensor("score", TensorProto.FLOAT, [1], [0.0])]
model = helper.make_model(helper.make_graph([node], "nms", inputs, outputs, bounds), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnx.save(model, "nms.onnx")
session = onnxruntime.InferenceSession("nms.onnx")
core = openvino.Core()
compiled = core.compile_model(core.read_model("nms.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
for height, expected in ((0.45, (2, 2)), (0.5, (2, 1)), (0.55, (1, 1))):
    boxes = numpy.array([[[0, 0, 1, 1], [0, 0, 1, height]]], numpy.float32)
    scores = numpy.array([[[0.9, 0.8]]], numpy.float32)
    seen = len(session.run(None, {"boxes": boxes, "scores": scores})[0]), len(list(compiled({"boxes": boxes, "scores": scores}).values())[0])
    print(f"IoU {height}: onnxruntime keeps {seen[0]}, OpenVINO {seen[1]}")
    assert seen == expected, (height, seen)
PY
