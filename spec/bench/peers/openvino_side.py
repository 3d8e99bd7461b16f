#!/usr/bin/env python3
"""OpenVINO's side of the bench (see side.lua): openvino_side.py THREADS. The forward pass alone, of torchvision's network, in the precisions that this
CPU has, and in int8 where NNCF is installed. Needs torch and torchvision, too."""
import numpy as np, openvino, torch
from protocol import BATCH, SIZE, THREADS, precisions, serve, timed
from torch_side import network

def quantized(model):
    try: import nncf
    except ImportError: return None
    images = [np.random.rand(BATCH, 3, SIZE, SIZE).astype(np.float32) * 2 - 1 for _ in range(1)]  # its speed does not depend on the ranges
    return nncf.quantize(model, nncf.Dataset(images), subset_size=1)

def step(name, kind):
    if kind != "forward": return "does not train"
    net, _ = network(name)
    example = torch.rand(BATCH, 3, SIZE, SIZE)
    with torch.no_grad(): model = openvino.convert_model(net.eval(), example_input=example, input=[list(example.shape)])
    made = {}
    for variant in precisions() + ("int8",):
        of = quantized(model) if variant == "int8" else model
        if of is None: continue
        options = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16" if variant == "bf16" else "f32"}
        made[variant] = openvino.Core().compile_model(of, "CPU", options).create_infer_request()

    def run(variant):
        images = np.random.rand(BATCH, 3, SIZE, SIZE).astype(np.float32) * 2 - 1
        return timed(lambda: made[variant.split()[-1]].infer([images]))
    return {"variants": ["compiled " + v for v in made]}, run

serve("openvino", openvino.__version__, {"step": step})
