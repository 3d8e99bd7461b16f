#!/usr/bin/env python3
"""PyTorch's side of the bench (see side.lua): torch_side.py THREADS. The same work as scion_side.lua, batch norm on its stored statistics, in
the precisions that this CPU has: in both layouts as it is, and compiled, for inference with frozen weights. Its variants are "LAYOUT PRECISION"
and "compiled PRECISION"."""
import warnings

warnings.filterwarnings("ignore")
import torch, torchvision
from torch import nn
from torchvision import transforms as T
from protocol import BATCH, SIZE, THREADS, precisions, serve, timed

torch.set_num_threads(THREADS)
torch.manual_seed(1)
torch.set_flush_denormal(True)  # as Scion does
COMPILES = hasattr(torch, "compile")

def laid_out(x, layout):
    return x.to(memory_format=torch.channels_last) if layout == "channels_last" else x

# ---- steps

def mobilenet():
    """MobileNet V1, 224, as in Keras: 13 pairs of depthwise and pointwise convolutions."""
    def block(ci, co, kernel, stride, groups=1):
        return [nn.Conv2d(ci, co, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(co), nn.ReLU6(inplace=True)]
    layers, ci = block(3, 32, 3, 2), 32
    for co, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
        layers += block(ci, ci, 3, stride, ci) + block(ci, co, 1, 1)
        ci = co
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))

def network(name):
    if name == "mobilenet": return mobilenet(), 1000
    if name != "inception_v3": return getattr(torchvision.models, name)(), 1000
    net = torchvision.models.inception_v3(aux_logits=False, init_weights=False)
    net.fc = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, 6))
    return net, 6

def optimizer_for(net, kind):
    parts = {"prong_one": lambda: [net.fc], "prong_two": lambda: [net.Mixed_7b, net.Mixed_7c, net.fc]}.get(kind, lambda: [net])()
    for p in net.parameters(): p.requires_grad = False
    weights = [p for part in parts for p in part.parameters()]
    for p in weights: p.requires_grad = True
    return torch.optim.RMSprop(weights, lr=1e-9) if kind == "prong_one" else torch.optim.SGD(weights, lr=1e-9, momentum=0.9)

def compiled(net, kind, precision):
    import torch._inductor.config as config
    config.freezing = kind == "forward"
    torch._dynamo.reset()
    return torch.compile(net)

def step(name, kind, only=""):
    """A function of the variant that runs a round; the networks are made once for each layout."""
    kinds = [only] if only else ["default", "channels_last"] + (["compiled"] if COMPILES else [])
    variants = [layout + " " + p for layout in kinds for p in precisions()]
    nets = {}
    for variant in variants:
        layout, precision = variant.split()
        net, classes = network(name)
        net = laid_out(net.eval(), "channels_last" if layout == "compiled" else layout)
        nets[variant] = compiled(net, kind, precision) if layout == "compiled" else net, optimizer_for(net, kind)
    loss_of = nn.CrossEntropyLoss()
    labels = torch.arange(BATCH) % classes

    def run(variant):
        layout, precision = variant.split()
        net, optimizer = nets[variant]
        images = laid_out(torch.rand(BATCH, 3, SIZE, SIZE) * 2 - 1, "channels_last" if layout == "compiled" else layout)
        cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")

        def forward():
            with torch.no_grad() if layout == "compiled" else torch.inference_mode(), cast: net(images)

        def train():
            optimizer.zero_grad(set_to_none=True)
            with cast: out = net(images)
            loss_of(out.float(), labels).backward()
            optimizer.step()
        return timed(forward if kind == "forward" else train)
    return {"variants": variants}, run

# ---- one convolution

def layer(*numbers):
    h, w, ci, co, kh, kw, sh, sw, top, bottom, left, right = map(int, numbers)
    assert top == bottom and left == right
    made = {}
    for layout in ("default", "channels_last"):
        conv = nn.Conv2d(ci, co, (kh, kw), (sh, sw), (top, left))
        made[layout] = laid_out(conv, layout), laid_out(torch.rand(BATCH, ci, h, w), layout)

    def run(variant):
        layout, precision = variant.split()
        conv, x = made[layout]
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            once = timed(lambda: conv(x))
            return timed(lambda: conv(x), max(1, int(0.03 / once["wall"])))
    return {"variants": [l + " " + p for l in made for p in precisions()]}, run

# ---- the input pipeline, up to what a network takes; preprocessing is a part of Scion's networks, and so of its steps

def crops(workers, _memory, folder):
    from torchvision.transforms import v2
    return loading(workers, folder, v2.Compose([
        v2.PILToTensor(), v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip(), v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]))

def pipeline(workers, _memory, folder):
    return loading(workers, folder, T.Compose([T.Resize((SIZE, SIZE)), T.RandomHorizontalFlip(),
                         T.RandomAffine(0, shear=11, scale=(0.8, 1.2), interpolation=T.InterpolationMode.BILINEAR),
                         T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]))

def loading(workers, folder, changes):
    data = torchvision.datasets.ImageFolder(folder, changes)
    several = int(workers) > 1  # with one worker this process is it, so that its CPU time is seen
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=int(workers) if several else 0, persistent_workers=several)

    def epoch():
        for _ in loader: pass
    return {"variants": ["f32"], "images": len(data)}, lambda _: timed(epoch)

if __name__ == "__main__":
    serve("torch", torch.__version__, {"step": step, "layer": layer, "pipeline": pipeline, "crops": crops})
