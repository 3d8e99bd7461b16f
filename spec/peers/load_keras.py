#!/usr/bin/env python3
"""Writes networks of keras.applications in every way in which Keras keeps them, for spec/peers/load.lua: see answer.py. Weights are drawn, and
batch norms hold the statistics of the images."""
import os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("KERAS_BACKEND", "torch")
import h5py, keras, numpy as np
from keras.src.legacy.saving import legacy_h5_format
from answer import images, rows, serve, spread, stream

A, L = keras.applications, keras.layers
CLASSES = {n.lower(): n for n in dir(A) if n[0].isupper()}
MODES = {"vgg": "caffe", "resnet": "caffe", "densenet": "torch", "efficientnet": None, "mobilenetv3": None} # else tf

def network_class(name): return CLASSES.get(name.replace("keras_", "").replace("_", ""))

def prepared(name, size):
    """The images as the network takes them: what preprocess_input does."""
    bare = name.replace("keras_", "").replace("_", "")
    mode = next((m for start, m in MODES.items() if bare.startswith(start)), "tf")
    x = images(2, size).astype("f4")
    return x if mode is None else keras.src.applications.imagenet_utils.preprocess_input(x, mode=mode)

def settle(norm, rng):
    """From now on a batch norm first takes statistics near those of what it is given. Returns what undoes that."""
    original = norm.call
    def call(inputs, training=None, mask=None):
        values = keras.ops.convert_to_numpy(inputs)
        mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
        norm.moving_mean.assign(mean + 0.1 * np.sqrt(variance) * rng.standard_normal(mean.shape))
        norm.moving_variance.assign(variance * rng.uniform(0.8, 1.2, mean.shape) + variance.mean()) # what hardly varies is not made large
        return original(inputs, training=False)
    norm.call = call
    return lambda: setattr(norm, "call", original)

def fill(net, x, name):
    """He's kernels, and batch norms with nearly the statistics of these images, one after the other, so that no activation dies or grows."""
    rng = np.random.default_rng(stream(name))
    norms = [l for l in layers_of(net) if isinstance(l, L.BatchNormalization)]
    for layer in layers_of(net):
        values = []
        for v in layer.weights:
            last, shape = v.path.split("/")[-1], tuple(v.shape)
            if "kernel" in last:
                fan = np.prod(shape[:2]) if "depthwise" in v.path or isinstance(layer, L.DepthwiseConv2D) else np.prod(shape[:-1])
                values.append(rng.uniform(-1, 1, shape) * np.sqrt(6 / fan))
            elif last == "count": values.append(np.zeros(shape))
            else:
                low, high = {"gamma": (0.5, 1.0), "beta": (0.2, 0.8), "mean": (0.2, 0.6), "variance": (0.04, 0.06)}.get(last, (-0.2, 0.2) if last != "moving_variance" else (1, 1))
                values.append(rng.uniform(low, high, shape))
        if values: layer.set_weights(values)
        if hasattr(layer, "finalize_state") and values: layer.finalize_state()
    undo = [settle(norm, rng) for norm in norms]
    net(x, training=False)
    for each in undo: each()

def layers_of(net): return list(net._flatten_layers(include_self=False))

def logits(net, dtype="f4"):
    """Without the last activation, which would hide differences."""
    last = net.layers[-1]
    kept, last.activation = last.activation, keras.activations.linear
    y = keras.ops.convert_to_numpy(net(x.astype(dtype), training=False))
    last.activation = kept
    return y

net, x = None, None # the network that was opened last

def in_double(make):
    """The logits of the same network in double precision."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    twin = make()
    for layer, theirs in zip(layers_of(twin), layers_of(net)):
        if theirs.weights: layer.set_weights(theirs.get_weights())
        if hasattr(layer, "finalize_state") and theirs.weights: layer.finalize_state()
    y = logits(twin, "f8")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    return y

def open_network(library, name, size, classes, width=None):
    """`none`: the library has no such network. `own`: how far Keras itself, in single precision, is from double precision."""
    global net, x
    keras.backend.clear_session()
    own = network_class(name)
    if not own: return {"none": "Keras has no such network"}
    def make(): return getattr(A, own)(weights=None, classes=classes, input_shape=(size, size, 3), **({"alpha": width} if width else {}))
    net, x = make(), prepared(name, size)
    fill(net, x, name)
    y = in_double(make)
    return {"logits": rows(y), "own": spread(logits(net), y)}

def legacy_weights(folder):
    """What Keras 2 writes for save_weights("net.h5")."""
    with h5py.File(folder + "/net.h5", "w") as f: legacy_h5_format.save_weights_to_hdf5_group(f, net)
    return folder + "/net.h5"

def by(save, name):
    def write(folder):
        save(folder + "/" + name)
        return folder + "/" + name
    return write

KINDS = {
    "weights.h5": lambda folder: by(net.save_weights, "net.weights.h5")(folder),
    "weights, Keras 2": legacy_weights,
    "model.h5": lambda folder: by(net.save, "net.h5")(folder),
    "keras": lambda folder: by(net.save, "net.keras")(folder),
    "weights.json and parts": lambda folder: in_parts(folder),
}

def in_parts(folder):
    net.save_weights(folder + "/net.weights.json", max_shard_size=0.005)
    return folder + "/net.weights.json"

SENTENCES = {"weights.json and parts": "in parts.*save_weights"}

def write(kind, folder):
    """`none`: the network cannot be kept that way."""
    try: file = KINDS[kind](folder)
    except Exception as e: return {"none": "%s: %s" % (type(e).__name__, str(e).splitlines()[0])}
    return {"file": file, "sentence": SENTENCES.get(kind)}

def load(file):
    """What the network predicts with the weights of a file that Scion exported."""
    kept = net.get_weights()
    for layer in layers_of(net):
        if layer.weights: layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    if file.endswith(".weights.h5"): net.load_weights(file)
    else:
        with h5py.File(file) as f: legacy_h5_format.load_weights_from_hdf5_group(f, net)
    for layer in layers_of(net):
        if hasattr(layer, "finalize_state") and layer.weights: layer.finalize_state()
    y = logits(net)
    net.set_weights(kept)
    return {"logits": rows(y)}

if __name__ == "__main__":
    serve({"kinds": lambda: {"every": ["weights.h5", "weights, Keras 2", "model.h5", "keras"], "all": list(KINDS)},
           "open": open_network, "write": write, "load": load})
