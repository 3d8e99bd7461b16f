#!/usr/bin/env python3
"""Models of Keras as users make them of a pretrained base and a head of their own, trained for some steps, for spec/peers/train.lua: see answer.py."""
import os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("KERAS_BACKEND", "torch")
import h5py, keras, numpy as np
from keras.src.legacy.saving import legacy_h5_format
from answer import images, rows, serve, stream
from load_keras import fill

L = keras.layers
SIZE, CLASSES = 96, 5

def base():
    made = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=(SIZE, SIZE, 3))
    fill(made, images(2, SIZE) / np.float32(127.5) - 1, "base")
    return made

def head(x, layers=None):
    for layer in layers or [L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(CLASSES, activation="softmax")]: x = layer(x)
    return x

def flat(b): return keras.Model(b.input, head(b.output))

def nested(b):
    inputs = keras.Input((SIZE, SIZE, 3))
    return keras.Model(inputs, head(b(inputs, training=False)))

def nested_with_operations(b):
    """As Keras's own tutorial has it."""
    inputs = keras.Input((SIZE, SIZE, 3))
    return keras.Model(inputs, head(b(keras.applications.mobilenet_v2.preprocess_input(inputs), training=False)))

def sequential(b): return keras.Sequential([b, L.GlobalAveragePooling2D(), L.Dense(CLASSES, activation="softmax")])

def augmented(b):
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.Rescaling(1 / 127.5, offset=-1), b,
                             L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(CLASSES, activation="softmax")])

def augmented_apart(b):
    inputs, augment = keras.Input((SIZE, SIZE, 3)), keras.Sequential([L.RandomFlip("horizontal"), L.RandomZoom(0.1)], name="augment")
    return keras.Model(inputs, head(b(L.Rescaling(1 / 127.5, offset=-1)(augment(inputs)), training=False)))

class Own(keras.Model):
    def __init__(self, base):
        super().__init__()
        self.base, self.pool, self.head = base, L.GlobalAveragePooling2D(), L.Dense(CLASSES, activation="softmax")
    def call(self, x, training=False): return self.head(self.pool(self.base(x, training=training)))

def partly_frozen(b):
    for layer in b.layers[:100]: layer.trainable = False
    return nested(b)

def norms_frozen(b):
    for layer in b.layers: layer.trainable = not isinstance(layer, L.BatchNormalization)
    return nested(b)

def norm_in_head(b):
    inputs = keras.Input((SIZE, SIZE, 3))
    layers = [L.GlobalAveragePooling2D(), L.BatchNormalization(), L.Dense(16, activation="relu"), L.Dense(CLASSES, activation="softmax")]
    return keras.Model(inputs, head(b(inputs), layers))

def norm_in_flat_head(b):
    layers = [L.GlobalAveragePooling2D(), L.BatchNormalization(), L.Dense(16, activation="relu"), L.Dense(CLASSES, activation="softmax")]
    return keras.Model(b.input, head(b.output, layers))

def lora(make):
    def made(b):
        net = make(b)
        for layer in net._flatten_layers():
            if isinstance(layer, L.Dense) or type(layer) is L.Conv2D and layer.kernel_size == (1, 1) and layer.filters > 90: layer.enable_lora(4)
        return net
    return made

# how each is made; whether it takes images as they are, 0 to 255; the head here; how weights of Scion's go back
KINDS = {
    "flat": (flat, False), "nested": (nested, False), "nested, with operations": (nested_with_operations, True), "Sequential": (sequential, False),
    "augmentation and Rescaling": (augmented, True), "augmentation in a Sequential": (augmented_apart, True), "subclassed": (Own, False),
    "partly frozen": (partly_frozen, False), "batch norms frozen": (norms_frozen, False), "batch norm in the head": (norm_in_head, False),
    "batch norm in a flat head": (norm_in_flat_head, False), "LoRA, flat": (lora(flat), False), "LoRA, nested": (lora(nested), False),
    "mixed precision": (nested, False),
}

net, x, kind = None, None, None

def predict(model): return rows(keras.ops.convert_to_numpy(model(x, training=False)))

def train(name):
    global net, x, kind
    keras.backend.clear_session()
    keras.utils.set_random_seed(stream(name))
    make, raw = KINDS[name]
    kind, x = name, images(2, SIZE).astype("f4")
    if not raw: x = x / np.float32(127.5) - 1
    keras.config.set_dtype_policy("mixed_bfloat16" if name == "mixed precision" else "float32")
    net = make(base())
    net(x[:1])
    net.compile("adam", "sparse_categorical_crossentropy", jit_compile=False) # compiling takes longer than these steps
    before = [np.array(w) for w in net.get_weights()]
    net.fit(np.concatenate([x, x[::-1]]), np.array([0, 1, 1, 3]), batch_size=2, epochs=2, verbose=0)
    moved = sum(not np.array_equal(a, b) for a, b in zip(before, net.get_weights()))
    if name == "mixed precision": # what the same weights give in single precision is what is compared
        values = net.get_weights()
        keras.config.set_dtype_policy("float32")
        single = make(base())
        single.set_weights(values)
        return {"predictions": predict(single), "moved": moved}
    return {"predictions": predict(net), "moved": moved}

def legacy_weights(path):
    with h5py.File(path, "w") as f: legacy_h5_format.save_weights_to_hdf5_group(f, net)

WRITERS = {"weights.h5": ("net.weights.h5", lambda p: net.save_weights(p)), "weights, Keras 2": ("net.h5", legacy_weights),
           "model.h5": ("net.h5", lambda p: net.save(p)), "keras": ("net.keras", lambda p: net.save(p))}

def write(format, folder):
    file, save = WRITERS[format]
    try: save(folder + "/" + file)
    except Exception as e: return {"none": "%s: %s" % (type(e).__name__, (str(e) or "").splitlines()[0])}
    return {"file": folder + "/" + file}

def load(file):
    """Takes the weights of a file that Scion exported, as README says, into a model that has none of them."""
    make, raw = KINDS[kind]
    keras.config.set_dtype_policy("float32")
    again = make(base())
    again(x[:1])
    for v in again.weights: v.assign(np.zeros(v.shape))
    if kind == "subclassed": keras.Sequential([again.base, again.pool, again.head]).load_weights(file)
    elif kind == "batch norm in the head":
        y, at = again.layers[1].output, 2 # the same layers in one piece
        for layer in again.layers[at:]: y = layer(y)
        keras.Model(again.layers[1].input, y).load_weights(file)
    else: again.load_weights(file)
    return {"predictions": predict(again)}

if __name__ == "__main__": serve({"kinds": lambda: {"kinds": list(KINDS), "formats": list(WRITERS)}, "train": train, "write": write, "load": load})
