#!/usr/bin/env python3
"""Models of PyTorch as users make them of torchvision's and timm's networks, trained for some steps, for spec/peers/train.lua: see answer.py."""
import copy
import timm, torch, torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from answer import rows, serve, stream
from from_torchvision import look
from load_torch import fill, pixels

SIZE, CLASSES = 96, 5

def torchvision_own(name):
    def make():
        net = getattr(torchvision.models, name)(num_classes=7)
        if hasattr(net, "fc"): net.fc = nn.Linear(net.fc.in_features, CLASSES)
        else: net.classifier[1] = nn.Linear(net.classifier[1].in_features, CLASSES)
        return net
    return make

def timm_own(name): return lambda: timm.create_model(name, num_classes=CLASSES)

def chain():
    net = torchvision.models.resnet18()
    net.fc = nn.Identity()
    return nn.Sequential(net, nn.Linear(512, CLASSES))

def chain_of_two():
    net = timm.create_model("resnet18", num_classes=0)
    return nn.Sequential(net, nn.Linear(512, 16), nn.ReLU(), nn.Linear(16, CLASSES))

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = timm.create_model("resnet18", num_classes=0), nn.Linear(512, CLASSES)
    def forward(self, x): return self.head(self.backbone(x))

def averaged(net):
    made = torch.optim.swa_utils.AveragedModel(net)
    made.update_parameters(net)
    return made

# how each is made, the architecture here, and how its state dict is kept
plain = lambda net: net.state_dict()
RESNET = torchvision_own("resnet18")
KINDS = {
    "torchvision's resnet18": (RESNET, "resnet18", plain), "torchvision's mobilenet_v2": (torchvision_own("mobilenet_v2"), "mobilenet_v2", plain),
    "torchvision's efficientnet_b0": (torchvision_own("efficientnet_b0"), "efficientnet_b0", plain),
    "timm's resnet18": (timm_own("resnet18"), "resnet18", plain), "timm's mobilenetv2_100": (timm_own("mobilenetv2_100"), "mobilenet_v2", plain),
    "timm's efficientnet_b0": (timm_own("efficientnet_b0"), "efficientnet_b0", plain),
    "Sequential(backbone, head)": (chain, "resnet18", plain), "Sequential(backbone, head of two)": (chain_of_two, "resnet18", plain),
    "a module with backbone and head": (Own, "resnet18", plain),
    "Lightning": (RESNET, "resnet18", lambda net: {"epoch": 1, "pytorch-lightning_version": "2.5.0", "hyper_parameters": {"lr": 0.1}, "callbacks": {},
                                                  "state_dict": {"model." + k: v for k, v in net.state_dict().items()}}),
    "DataParallel": (RESNET, "resnet18", lambda net: nn.DataParallel(net).state_dict()),
    "compiled": (RESNET, "resnet18", lambda net: torch.compile(net).state_dict()),
    "averaged": (RESNET, "resnet18", lambda net: averaged(net).state_dict()),
}

net, x, kind = None, None, None

@torch.no_grad()
def predict(model): return rows(model.eval()(x).softmax(1).numpy())

def train(name):
    global net, x, kind
    kind, x = name, pixels(SIZE, *look("resnet18"))
    make, architecture, _ = KINDS[name]
    net = make()
    with torch.no_grad(): fill(net, x, name)
    torch.manual_seed(stream(name))
    before = copy.deepcopy(net.state_dict())
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d): module.momentum = 0.1
    optimizer = torch.optim.SGD(net.train().parameters(), lr=1e-3, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.cat([x, x.flip(3)])), torch.tensor([0, 1, 1, 3])).backward()
        optimizer.step()
    moved = sum(not torch.equal(v, before[k]) for k, v in net.state_dict().items())
    return {"predictions": predict(net), "moved": moved, "architecture": architecture}

def write(format, folder):
    kept = KINDS[kind][2](net)
    if format == "pth":
        torch.save(kept, folder + "/net.pth")
        return {"file": folder + "/net.pth"}
    if any(not isinstance(v, torch.Tensor) for v in kept.values()): return {"none": "safetensors holds tensors alone"}
    save_file({k: v.contiguous() for k, v in kept.items()}, folder + "/net.safetensors")
    return {"file": folder + "/net.safetensors"}

def load(file):
    """Takes the weights of a file that Scion exported, as README says, into a network that has none of them."""
    again, state = KINDS[kind][0](), load_file(file)
    if kind.startswith("Sequential") or kind.startswith("a module"): # by its parts
        (again[0] if isinstance(again, nn.Sequential) else again.backbone).load_state_dict(state, strict=False)
        linear = [m for m in again.modules() if isinstance(m, nn.Linear)]
        for name, module in zip(["head"] if kind.startswith("a module") else ["fc"] if len(linear) == 1 else ["fc1", "fc2"], linear):
            module.load_state_dict({"weight": state[name + ".weight"], "bias": state[name + ".bias"]})
    else: again.load_state_dict(state)
    return {"predictions": predict(again)}

if __name__ == "__main__": serve({"kinds": lambda: {"kinds": list(KINDS), "formats": ["pth", "safetensors"]}, "train": train, "write": write, "load": load})
