#!/usr/bin/env python3
"""Logits of a network that one of the two libraries does not have, built there layer by layer from the graph in a model that Scion saved,
with the weights that Scion exported for that library: what a user would do who writes the network by hand.

usage: from_graph.py torch|keras SAVED SIZE WEIGHTS (.safetensors for torch, .h5 for keras)"""
import json, os, struct, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures/models"))
import numpy as np
from rule import images, sample

def pair(value): return list(value) if isinstance(value, list) else [value, value]

def border(value): return value if isinstance(value, list) else [value] * 4

def padding(o, shape):
    """top, left, bottom, right: of a window over an image."""
    kernel, stride = pair(o["kernel"]), pair(o["stride"] or o["kernel"])
    if o["padding"] == "valid": return [0] * 4
    if o["padding"] == "ceil": return [0, 0] + [min((k - n) % s, k - 1) for n, s, k in zip(shape, stride, kernel)]
    if o["padding"] != "same": return border(o["padding"])
    missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(shape, stride, kernel)]
    return [m // 2 for m in missing] + [m - m // 2 for m in missing]

def preprocess(x, p):
    return (x[..., ::-1] if p["reverse"] else x) * np.array(p["scale"]) + np.array(p["shift"])

def torch_logits(layers, x, path):
    import torch, torch.nn.functional as F
    from safetensors.torch import load_file
    weights, values = {n: t.double() for n, t in load_file(path).items()}, {}
    acts = {False: lambda x: x, "relu": F.relu, "relu6": F.relu6, "swish": F.silu, "sigmoid": torch.sigmoid}
    column = lambda v: (torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else torch.as_tensor(v)).reshape(1, -1, 1, 1)
    def pad(x, p, value=0.0): return F.pad(x, (p[1], p[3], p[0], p[2]), value=value)

    def compute(kind, name, o, a):
        w = lambda suffix: weights.pop(name + "." + suffix, None)
        x = a[0]
        if "kernel" in o: stride, kernel, p = pair(o["stride"] or o["kernel"]), pair(o["kernel"]), padding(o, x.shape[2:])
        if kind == "conv2d": return F.conv2d(pad(x, p), w("weight"), w("bias"), stride, groups=o["groups"])
        if kind == "depthwise_conv2d": return F.conv2d(pad(x, p), w("weight"), w("bias"), stride, groups=x.shape[1])
        if kind == "separable_conv2d":
            return F.conv2d(F.conv2d(pad(x, p), w("depthwise.weight"), None, stride, groups=x.shape[1]), w("pointwise.weight"), w("pointwise.bias"))
        if kind == "batch_norm": return F.batch_norm(x, w("running_mean"), w("running_var"), w("weight"), w("bias"), eps=o["epsilon"])
        if kind == "normalization": w("count"); return (x - column(w("mean"))) / column(w("variance")).sqrt()
        if kind == "rescaling": return x * column(o["scale"]) + column(o["offset"])
        if kind == "max_pool": return F.max_pool2d(pad(x, p, -float("inf")), kernel, stride)
        if kind == "avg_pool": return F.avg_pool2d(pad(x, p), kernel, stride) / F.avg_pool2d(pad(torch.ones_like(x), p), kernel, stride)
        if kind == "global_avg_pool": return x.mean((2, 3), keepdim=o["keep_dims"])
        if kind == "zero_pad": return pad(x, border(o["padding"]))
        if kind == "crop": return pad(x, [-n for n in border(o["border"])])
        if kind == "reshape": return x.reshape(len(x), *([o["shape"][2], 1, 1] if len(o["shape"]) == 3 else o["shape"]))
        if kind == "dense": return F.linear(x, w("weight"), w("bias"))
        if kind == "add": return sum(a)
        if kind == "scaled_add": return a[0] + o["scale"] * a[1]
        if kind == "multiply": return a[0] * a[1]
        if kind == "concatenate": return torch.cat(a, 1)
        if kind == "slice": return x[:, o["first"] - 1:o["last"]]
        if kind == "channel_shuffle": return x.unflatten(1, (o["groups"], -1)).transpose(1, 2).flatten(1, 2)
        if kind in ("dropout", "activation"): return x
        raise NotImplementedError(kind)

    for layer in layers:
        o, name = layer["options"], (layer.get("origin") or {}).get("torchvision") or layer["name"].replace("/", ".")
        if layer["kind"] == "input":
            y = torch.from_numpy(preprocess(x, o["preprocess"]).transpose(0, 3, 1, 2).copy())
        else:
            y = acts[o.get("activation", False)](compute(layer["kind"], name, o, [values[i] for i in layer["inputs"].split("\n")]))
        values[layer["name"]] = y
    assert not weights, "arrays that no layer asked for: %s" % list(weights)
    return y.numpy()

def keras_logits(layers, x, path):
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    import keras
    keras.config.set_floatx("float64")
    L, values, nodes = keras.layers, {}, {}

    def compute(kind, name, o, a):
        x = a[0] if len(a) == 1 else a
        if "kernel" in o:
            p = padding(o, x.shape[1:3])
            if any(p): x = L.ZeroPadding2D(((p[0], p[2]), (p[1], p[3])))(x)  # before a pool too: what it pools is positive
            window = dict(strides=pair(o["stride"] or o["kernel"]), name=name)
        if kind == "conv2d":
            return L.Conv2D(o["filters"], o["kernel"], groups=o["groups"], use_bias=o["bias"], activation=o["activation"] or None, **window)(x)
        if kind == "depthwise_conv2d": return L.DepthwiseConv2D(o["kernel"], use_bias=o["bias"], activation=o["activation"] or None, **window)(x)
        if kind == "max_pool": return L.MaxPooling2D(o["kernel"], **window)(x)
        if kind == "batch_norm": return L.BatchNormalization(epsilon=o["epsilon"], name=name)(x)
        if kind == "activation": return L.Activation(o["activation"], name=name)(x)
        if kind == "add": return L.Activation(o["activation"] or None)(L.Add(name=name)(x))
        if kind == "concatenate": return L.Concatenate(name=name)(x)
        if kind == "global_avg_pool": return L.GlobalAveragePooling2D(keepdims=o["keep_dims"], name=name)(x)
        if kind == "multiply": return L.Multiply(name=name)(x)
        if kind == "slice": return x[..., o["first"] - 1:o["last"]]
        if kind == "channel_shuffle":
            h, w, c = x.shape[1:]
            return L.Reshape((h, w, c))(L.Permute((1, 2, 4, 3))(L.Reshape((h, w, o["groups"], c // o["groups"]))(x)))
        if kind == "flatten": return L.Flatten(name=name)(x)
        if kind == "dense": return L.Dense(o["units"], activation=o["activation"] or None, name=name)(x)
        if kind == "dropout" or (kind == "adaptive_avg_pool" and list(x.shape[1:3]) == pair(o["size"])): return x
        raise NotImplementedError(kind)

    for layer in layers:
        o, name = layer["options"], (layer.get("origin") or {}).get("keras") or layer["name"].replace("/", "_")
        if layer["kind"] == "input":
            x = preprocess(x, o["preprocess"])
            first = y = keras.Input(o["shape"])
        else:
            y = compute(layer["kind"], name, o, [values[i] for i in layer["inputs"].split("\n")])
        values[layer["name"]] = y
    net = keras.Model(first, y)
    net.load_weights(path)
    return net.predict(x, verbose=0)

if __name__ == "__main__":
    library, saved, size, path = sys.argv[1:]
    with open(saved, "rb") as f: header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    graph = json.loads(header["__metadata__"]["architecture"])
    logits = {"torch": torch_logits, "keras": keras_logits}[library](graph["layers"], images(2, int(size)).astype(np.float64), path)
    print(json.dumps({graph["name"]: {"logits": sample(logits, 20)}}))
