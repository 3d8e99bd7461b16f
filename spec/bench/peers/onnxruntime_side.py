#!/usr/bin/env python3
"""ONNX Runtime's side of the bench (see side.lua): onnxruntime_side.py THREADS. The forward pass alone, in f32, of torchvision's network. Needs torch,
torchvision and what torch exports with (onnx, onnxscript)."""
import io, numpy as np, onnxruntime, torch
from protocol import BATCH, SIZE, THREADS, serve, timed
from torch_side import network

def step(name, kind):
    if kind != "forward": return "does not train"
    net, _ = network(name)
    file = io.BytesIO()
    torch.onnx.export(net.eval(), (torch.rand(BATCH, 3, SIZE, SIZE),), file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    place = session.get_inputs()[0].name

    def run(_):
        images = np.random.rand(BATCH, 3, SIZE, SIZE).astype(np.float32) * 2 - 1
        return timed(lambda: session.run(None, {place: images}))
    return {"variants": ["optimized fp32"]}, run

serve("onnxruntime", onnxruntime.__version__, {"step": step})
