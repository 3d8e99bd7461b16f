#!/usr/bin/env python3
"""Keras's side of the bench (see side.lua), on the backend that KERAS_BACKEND names, TensorFlow unless told: keras_side.py THREADS. Steps of its own
networks, in the precisions that this CPU has. Frozen batch norm uses its stored statistics, as everywhere here."""
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
from protocol import BATCH, SIZE, THREADS, precisions, serve, timed

if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(THREADS)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
import keras

makers = {"vgg16": "VGG16", "resnet50": "ResNet50", "mobilenet": "MobileNet"}

def network(name):
    if name != "inception_v3": return getattr(keras.applications, makers[name])(weights=None), None, 1000
    base = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    x = keras.layers.Dense(1024, activation="relu")(x)
    return keras.Model(base.input, keras.layers.Dense(6, activation="softmax", dtype="float32")(x)), base, 6

def frozen(model, base, kind):
    """Freezes as the kind of step wants it, and all batch norms; gives the optimizer."""
    names = [layer.name for layer in base.layers] if base else []
    until = len(names) if kind == "prong_one" else names.index("mixed8") + 1 if kind == "prong_two" else 0
    for layer in model.layers:
        layer.trainable = layer.name not in names[:until] and not isinstance(layer, keras.layers.BatchNormalization)
    return keras.optimizers.RMSprop(1e-9) if kind == "prong_one" else keras.optimizers.SGD(1e-9, momentum=0.9)

def step(name, kind):
    made = {}
    for precision in precisions():
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if precision == "bf16" else "float32")
        model, base, classes = network(name)
        optimizer = frozen(model, base, kind)
        model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
        made[precision] = model
    labels = np.arange(BATCH) % classes

    def run(variant):
        model = made[variant.split()[-1]]
        images = np.random.rand(BATCH, SIZE, SIZE, 3).astype(np.float32) * 2 - 1
        if kind == "forward": return timed(lambda: model.predict_on_batch(images))
        return timed(lambda: model.train_on_batch(images, labels))
    return {"variants": ["compiled " + p for p in made]}, run

serve("keras", keras.__version__, {"step": step})
