#!/usr/bin/env python3
"""Writes networks of torchvision and timm in every way in which their users keep them, for spec/peers/load.lua: see answer.py. Weights are drawn,
batch norms hold the statistics of the images, and what a network gives for these is computed in double precision."""
import argparse, collections, copy, functools, json, os, pathlib
import numpy as np, timm, torch, torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from answer import images, rows, serve, spread, stream
from from_torchvision import look as look_of

AUXILIARY = ("AuxLogits", "aux1", "aux2") # classifiers that only training from scratch uses, and that files hold

def settle(norm, inputs):
    """Before a batch norm: it takes statistics near those of what it is given."""
    x = inputs[0]
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    norm.running_mean.copy_(mean + 0.1 * variance.sqrt() * torch.randn(len(mean)))
    norm.running_var.copy_(variance * torch.empty(len(mean)).uniform_(0.8, 1.2) + variance.mean()) # what hardly varies is not made large

def fill(net, x, seed):
    """He's kernels, and batch norms with nearly the statistics of these images, one after the other, so that no activation dies or grows."""
    torch.manual_seed(stream(seed))
    heads = {n: getattr(net, n) for n in AUXILIARY if getattr(net, n, None) is not None} # which small images are too small for
    for name in heads: setattr(net, name, None)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan = module.weight[0].numel()
            module.weight.data.uniform_(-1, 1).mul_((6 / fan) ** 0.5)
            if module.bias is not None: module.bias.data.uniform_(-0.2, 0.2)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.uniform_(0.2, 0.8) # around 0, and without sums of layers, last bits would become large on the way
    hooks = [m.register_forward_pre_hook(settle) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net.eval()(x)
    for hook in hooks: hook.remove()
    for name, head in heads.items(): setattr(net, name, head)
    return net.eval()

def pixels(size, mean, std): return torch.from_numpy(((images(2, size) / 255.0 - mean) / std).transpose(0, 3, 1, 2).copy()).float()

def torchvision_network(name, classes, width):
    if name == "quantizable_mobilenet_v2": return torchvision.models.quantization.mobilenet_v2(weights=None, num_classes=classes)
    extra = {"width_mult": width} if width else {}
    if name in ("inception_v3", "googlenet"): extra = {"init_weights": False, "transform_input": True, "aux_logits": True}
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **extra)

net, x, note = None, None, {} # of the network that was opened last

def logits(network, inputs=None):
    y = network(x if inputs is None else inputs)
    return (y.logits if hasattr(y, "logits") else y).numpy()

def open_network(library, name, size, classes, width=None):
    """`none`: the library has no such network. `own`: how far the library itself, in single precision, is from double precision."""
    global net, x, note
    if library == "torchvision":
        if name != "quantizable_mobilenet_v2" and not callable(getattr(torchvision.models, name, None)): return {"none": "torchvision has no such network"}
        made, (mean, std) = torchvision_network(name, classes, width), look_of(name.replace("quantizable_", ""))
    else:
        if not timm.is_model(name): return {"none": "timm has no such network"}
        made = timm.create_model(name, num_classes=classes)
        mean, std = np.array(made.pretrained_cfg["mean"]), np.array(made.pretrained_cfg["std"])
    x = pixels(size, mean, std)
    net, note = fill(made, x, name), {"library": library, "name": name, "classes": classes}
    y = logits(copy.deepcopy(net).double(), x.double())
    look = {"mean": list(map(float, mean)), "std": list(map(float, std))} if library == "timm" else None
    return {"logits": rows(y), "own": spread(logits(net), y), "preprocess": look}

# ---- ways to keep a network ---------------------------------------------------------------------------------------------
# each gives the file; a second value is a pattern that the refusal has, a third the network whose predictions are expected

KINDS, EVERY = {}, ("state dict", "before 1.6", "safetensors", "hub")

def kind(title):
    def add(function):
        KINDS[title] = function
        return function
    return add

def saved(folder, value, **how):
    path = folder + "/net.pth"
    torch.save(value, path, **how)
    return path

def tensors(state): return {k: v.contiguous() for k, v in state.items()}

def safe(folder, state, name="net.safetensors"):
    save_file(tensors(state), folder + "/" + name, metadata={"format": "pt"})
    return folder + "/" + name

KINDS["state dict"] = lambda folder: saved(folder, net.state_dict())
KINDS["before 1.6"] = lambda folder: saved(folder, net.state_dict(), _use_new_zipfile_serialization=False)
KINDS["safetensors"] = lambda folder: safe(folder, net.state_dict(), "model.safetensors")

@kind("hub")
def hub(folder):
    """As timm puts it on Hugging Face's hub."""
    if note["library"] != "timm": return None
    timm.models.save_for_hf(net, folder, model_config={"num_classes": note["classes"]}, safe_serialization=True)
    return folder + "/model.safetensors"

@kind("transformers hub")
def transformers_hub(folder):
    path = safe(folder, {"resnet." + k: v for k, v in net.state_dict().items()}, "model.safetensors")
    with open(folder + "/config.json", "w") as f: json.dump({"architectures": ["EfficientNetForImageClassification"], "model_type": "efficientnet", "transformers_version": "4.57.0"}, f)
    return path, "transformers.*EfficientNetForImageClassification"

for p in (1, 2, 3, 4, 5):
    KINDS["protocol %d" % p] = lambda folder, p=p: saved(folder, net.state_dict(), pickle_protocol=p)
    if p > 1: KINDS["before 1.6, protocol %d" % p] = lambda folder, p=p: saved(folder, net.state_dict(), pickle_protocol=p, _use_new_zipfile_serialization=False)
KINDS["protocol 0"] = lambda folder: (saved(folder, net.state_dict(), pickle_protocol=0), "protocol 0.*torch.save")
KINDS["before 1.6, protocol 1"] = lambda folder: (saved(folder, net.state_dict(), pickle_protocol=1, _use_new_zipfile_serialization=False), "protocol.*torch.save")

def other(): # weights that are not those looked for
    return {k: v + 1 if v.is_floating_point() else v for k, v in net.state_dict().items()}

def optimizer():
    made = torch.optim.Adam(net.parameters())
    for p in net.parameters(): p.grad = torch.zeros_like(p)
    made.step()
    return made.state_dict()

def beside():
    """What training scripts keep beside the weights."""
    return {"epoch": 3, "best_acc1": torch.tensor(71.3), "loss": np.float64(0.5), "args": argparse.Namespace(lr=0.1, path=pathlib.Path("x"), device=torch.device("cpu")),
            "rng": np.random.get_state(), "seen": {1, 2}, "counts": collections.Counter("ab"), "by": collections.defaultdict(list, a=[1]), "blob": b"ab",
            "z": 1 + 2j, "dtype": torch.float16, "when": np.datetime64("2020-01-01"), "class_weights": torch.ones(5)}

for key in ("state_dict", "model", "model_state_dict", "net", "ema", "state_dict_ema", "params", "weights"):
    KINDS["under " + key] = lambda folder, key=key: saved(folder, {**beside(), key: net.state_dict(), "optimizer": optimizer()})
KINDS["under state_dict, last of all"] = lambda folder: saved(folder, {"optimizer": optimizer(), "scaler": {"scale": torch.ones(1)}, "state_dict": net.state_dict()})
KINDS["under model beside ema"] = lambda folder: saved(folder, {"ema": other(), "model": net.state_dict()})
KINDS["under model.state_dict"] = lambda folder: saved(folder, {"model": {"state_dict": net.state_dict(), "cfg": "x"}})
KINDS["under another key"] = lambda folder: saved(folder, {"generation": net.state_dict(), "epoch": 3})
for prefix in ("module.", "_orig_mod.", "model.", "backbone.", "module.module.", "module._orig_mod.", "encoder.", "net.model."):
    KINDS["behind " + prefix] = lambda folder, prefix=prefix: saved(folder, {prefix + k: v for k, v in net.state_dict().items()})
    KINDS["safetensors behind " + prefix] = lambda folder, prefix=prefix: safe(folder, {prefix + k: v for k, v in net.state_dict().items()})
KINDS["DataParallel"] = lambda folder: saved(folder, nn.DataParallel(net).state_dict())
KINDS["AveragedModel"] = lambda folder: saved(folder, torch.optim.swa_utils.AveragedModel(net).state_dict())
def lightning(folder, **extra): return saved(folder, {"epoch": 1, "global_step": 20, "pytorch-lightning_version": "2.5.0", "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score":
    torch.tensor(0.5)}}, "optimizer_states": [optimizer()], "lr_schedulers": [], "loops": {"fit_loop": {"state_dict": {}}}, "hparams_name": "kwargs",
    "hyper_parameters": {"lr": 0.1}, "state_dict": {**{"model." + k: v for k, v in net.state_dict().items()}, **extra}})
KINDS["Lightning"] = lightning
KINDS["Lightning, with a loss's weights"] = lambda folder: (lightning(folder, **{"loss.weight": torch.ones(5)}), "loss.weight is not among.*prefix = 'model.' leaves out")
KINDS["parameters and buffers"] = lambda folder: saved(folder, {**dict(net.named_parameters()), **dict(net.named_buffers())})
KINDS["without counters"] = lambda folder: saved(folder, {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")})
KINDS["channels last"] = lambda folder: saved(folder, copy.deepcopy(net).to(memory_format=torch.channels_last).state_dict())
KINDS["plain dict, sorted"] = lambda folder: saved(folder, dict(sorted(net.state_dict().items())))

def children(folder):
    parts = list(net.children())
    return saved(folder, nn.Sequential(*parts[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), parts[-1]).state_dict())
KINDS["Sequential(*children)"] = children

for dtype in (torch.float16, torch.bfloat16, torch.float64):
    def lower(folder, write, dtype):
        cast = copy.deepcopy(net).to(dtype)
        return write(folder, cast.state_dict()), None, cast
    KINDS[str(dtype)] = functools.partial(lower, write=saved, dtype=dtype)
    KINDS["safetensors, " + str(dtype)] = functools.partial(lower, write=safe, dtype=dtype)

@kind("safetensors in parts")
def shards(folder):
    """As transformers and huggingface_hub split large files."""
    state, places = tensors(net.state_dict()), {}
    names = list(state)
    for i in range(3):
        part, file = names[i::3], "model-0000%d-of-00003.safetensors" % (i + 1)
        save_file({n: state[n] for n in part}, folder + "/" + file, metadata={"format": "pt"})
        places.update((n, file) for n in part)
    with open(folder + "/model.safetensors.index.json", "w") as f: json.dump({"metadata": {"total_size": 0}, "weight_map": places}, f)
    return folder + "/model.safetensors.index.json"

def scripted(folder, make):
    make(net).save(folder + "/net.pt")
    return folder + "/net.pt"
KINDS["torch.jit.script"] = lambda folder: scripted(folder, torch.jit.script)
KINDS["torch.jit.trace"] = lambda folder: scripted(folder, lambda n: torch.jit.trace(n, x))
KINDS["torch.jit.freeze"] = lambda folder: (scripted(folder, lambda n: torch.jit.freeze(torch.jit.script(n))), "jit%.freeze.*state_dict%(%)")
KINDS["whole module"] = lambda folder: (saved(folder, net), "whole model.*state_dict%(%)")
KINDS["whole module, before 1.6"] = lambda folder: (saved(folder, net, _use_new_zipfile_serialization=False), "whole model.*state_dict%(%)")
KINDS["checkpoint with a whole module"] = lambda folder: (saved(folder, {"model": net, "epoch": 3}), "whole model.*state_dict%(%)")

@kind("torch.export")
def exported(folder):
    torch.export.save(torch.export.export(net, (x,)), folder + "/net.pt2")
    return folder + "/net.pt2", "torch.export.*state_dict"

def raw(folder, name, head):
    with open(folder + "/" + name, "wb") as f: f.write(head + os.urandom(4096))
    return folder + "/" + name
KINDS["ONNX"] = lambda folder: (raw(folder, "net.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.0.0:"), "ONNX.*state_dict%(%)")
KINDS["TFLite"] = lambda folder: (raw(folder, "net.tflite", b"\x1c\x00\x00\x00TFL3"), "TFLite.*%.h5")
KINDS["optimizer's state alone"] = lambda folder: (saved(folder, optimizer()), "the state of an optimizer.*state_dict%(%)")
KINDS["optimizer's state in a checkpoint"] = lambda folder: (saved(folder, {"optimizer": optimizer(), "epoch": 3}), "'optimizer', 'epoch'.*state_dict%(%)")

def write(kind, folder):
    """`none`: the network cannot be kept that way."""
    try: made = KINDS[kind](folder)
    except Exception as e: return {"none": "%s: %s" % (type(e).__name__, str(e).splitlines()[0] if str(e) else "")}
    if made is None: return {"none": ""}
    file, sentence, changed = (made if isinstance(made, tuple) else (made,)) + (None,) * (3 - (len(made) if isinstance(made, tuple) else 1))
    reply = {"file": file, "sentence": sentence}
    if changed is not None: reply["logits"] = rows(logits(changed.double(), x.double()))
    return reply

def load(file):
    """What the network predicts with the weights of a file that Scion exported."""
    again = copy.deepcopy(net)
    again.load_state_dict(load_file(file), strict=not any(k.startswith(AUXILIARY) for k in net.state_dict()))
    return {"logits": rows(logits(again))}

if __name__ == "__main__":
    torch.set_grad_enabled(False)
    def without_gradients(f): return lambda **k: torch.no_grad()(f)(**k)
    serve({"kinds": lambda: {"every": EVERY, "all": list(KINDS)}, "open": without_gradients(open_network), "write": write, "load": without_gradients(load)})
