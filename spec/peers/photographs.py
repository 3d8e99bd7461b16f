#!/usr/bin/env python3
"""What timm's EfficientNet-Lite0 makes of photographs with a file of EfficientNet-PyTorch's names: all decoded, resized and computed without Scion.

usage: photographs.py WEIGHTS FILE..: one line of JSON, {"classes": torchvision's name of the best class of each file, "logits": rows};
       photographs.py --words WEIGHTS FILE..: spec/fixtures/models/photographs.json, name and logit of the best class of each;
       photographs.py --origin WEIGHTS FILE..: which padding, epsilon, activation and preprocessing the weights were trained with, a line for each
       candidate, the right one first. The statistics that a batch norm holds are those of its input in training: with another
       activation or preprocessing those of photographs are further from them. Padding and epsilon move them little: these are those of
       the package whose names the file has, and with others the network is less sure. Of pictures in folders called glass, plastic,
       cardboard and paper it is counted how many are given a word for such things."""
import json, os, sys
import numpy as np, timm, torch, torchvision
from PIL import Image

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
PREPROCESS = {"x / 127.5 - 1": lambda x: x / 127.5 - 1, "ImageNet's mean and std": lambda x: (x / 255 - MEAN) / STD, "x / 255": lambda x: x / 255,
              "x - 128": lambda x: x - 128}
CATEGORIES = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]

WORDS = {"glass": ("bottle", "glass", "goblet", "jug"), "plastic": ("bottle", "plastic", "jug"), "cardboard": ("carton", "envelope", "packet", "crate"),
         "paper": ("envelope", "packet", "paper", "menu", "comic book", "web site", "book jacket", "crossword")}

def folder(path): return os.path.basename(os.path.dirname(path))

def network(weights, padding="same", epsilon=1e-3, activation=torch.nn.ReLU6):
    """Both list their weights in the order in which they are used, which is what pairs them."""
    net = timm.create_model("efficientnet_lite0", pad_type=padding, bn_eps=epsilon, act_layer=activation)
    theirs, state = list(torch.load(weights, weights_only=True).items()), net.state_dict()
    assert len(theirs) == len(state) and all(t.shape == own.shape for (_, t), own in zip(theirs, state.values()))
    net.load_state_dict({name: t for name, (_, t) in zip(state, theirs)})
    return net.eval()

def pixels(path):
    image = Image.open(path).convert("RGB").resize((224, 224), Image.BILINEAR)
    return torch.from_numpy(np.asarray(image).astype(np.float32).transpose(2, 0, 1))

def candidate(weights, files, photographs, padding, epsilon, activation, preprocess):
    """How far the photographs' statistics are from those of the batch norms, and what the network says."""
    net, apart = network(weights, padding, epsilon, activation), []
    def look(norm, inputs):
        mean, variance, stored = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)) + 1e-3, norm.running_var + 1e-3 # some stored ones are 0
        apart.append((((mean - norm.running_mean) / stored.sqrt()).abs().mean().item(), (variance / stored).log().abs().mean().item()))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d): module.register_forward_pre_hook(look)
    confidence, best = net(PREPROCESS[preprocess](torch.stack(photographs))).softmax(1).max(1)
    said = [CATEGORIES[i] for i in best]
    known = [any(w in word for w in WORDS[folder(f)]) for f, word in zip(files, said) if folder(f) in WORDS]
    means, variances = np.array(apart).T
    print("%-10s epsilon %-6g %-6s %-24s means apart by %.3f deviations, variances by a factor of %.2f; confidence %.3f; %d of %d in its words" % (
        padding or "all sides", epsilon, activation.__name__, preprocess, means.mean(), np.exp(variances.mean()), confidence.mean(), sum(known), len(known)))

def origin(weights, files):
    photographs, right = [pixels(f) for f in files], dict(padding="same", epsilon=1e-3, activation=torch.nn.ReLU6, preprocess="x / 127.5 - 1")
    candidate(weights, files, photographs, **right)
    for change in [{"padding": ""}, {"epsilon": 1e-5}, {"activation": torch.nn.SiLU}, {"activation": torch.nn.ReLU}] + [{"preprocess": p} for p in PREPROCESS][1:]:
        candidate(weights, files, photographs, **{**right, **change})

if __name__ == "__main__":
    with torch.no_grad():
        if sys.argv[1] == "--origin":
            origin(sys.argv[2], sys.argv[3:])
            sys.exit()
        words = sys.argv[1] == "--words"
        weights, *files = sys.argv[1 + words:]
        net, prepare = network(weights), PREPROCESS["x / 127.5 - 1"]
        logits = torch.cat([net(prepare(pixels(f))[None]) for f in files])
    if words:
        lines = ['"%s/%s": ["%s", %.6g]' % (folder(f), os.path.basename(f), CATEGORIES[y.argmax()], y.max()) for f, y in zip(files, logits)]
        print("{\n%s\n}" % ",\n".join(lines))
        sys.exit()
    print(json.dumps({"classes": [CATEGORIES[i] for i in logits.argmax(1)], "logits": logits.tolist()}))
