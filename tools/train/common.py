# SPDX-License-Identifier: MIT
"""Small things that the training programs share."""
import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F

import sizes
from people import HELD_OUT

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CUDA = DEVICE == "cuda"
START = time.time()


def log(*words):
    print("%7.1f" % (time.time() - START), *words, flush=True)


def sync():
    if CUDA:
        torch.cuda.synchronize()


def setup(seed=0):
    torch.manual_seed(seed)
    if CUDA:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = False


def amp():
    return torch.autocast(DEVICE, torch.bfloat16, enabled=CUDA)


def arguments(text, **defaults):
    p = argparse.ArgumentParser(description=text.splitlines()[0])
    p.add_argument("--weights", default="weights", help="folder of NAME.pt, read and written")
    p.add_argument("--out", default="", help="second folder for what is written")
    for name, value in defaults.items():
        p.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    a = p.parse_args()
    os.makedirs(a.weights, exist_ok=True)
    return a


def folders(a):
    return [d for d in (a.weights, a.out) if d]


def save(a, name, net):
    """fp16 state dict, written beside and renamed."""
    state = {k: v.detach().half().cpu() if v.is_floating_point() else v.cpu()
             for k, v in net.state_dict().items()}
    for d in folders(a):
        path = os.path.join(d, name + ".pt")
        torch.save(state, path + ".tmp")
        os.replace(path + ".tmp", path)


def load(a, name, must=True):
    """A network of sizes.py with its trained weights, on the device."""
    net = sizes.make(name)
    path = os.path.join(a.weights, name + ".pt")
    if os.path.exists(path):
        state = torch.load(path, map_location="cpu")
        net.load_state_dict({k: v.float() if v.is_floating_point() else v
                             for k, v in state.items()})
        log("loaded", path)
    elif must:
        raise SystemExit(path + " is missing: run the step before")
    return net.to(DEVICE)


def numbers(a):
    path = os.path.join(a.weights, "numbers.json")
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return json.load(f)


def save_numbers(a, **values):
    data = dict(numbers(a), **values)
    for d in folders(a):
        with open(os.path.join(d, "numbers.json"), "w") as f:
            json.dump(data, f, indent=2)
            f.write("\n")


def cosine(i, fraction, peak, warm=100, low=0.01):
    return peak * min(1, (i + 1) / warm) * max(low, 0.5 + 0.5 * math.cos(math.pi * min(fraction, 1)))


def images(u8):
    """u8 [..., n, n, 3] -> float [..., 3, n, n] in 0..1"""
    return u8.movedim(-1, -3).float() / 255


def batches(n, size):
    return [slice(a, min(n, a + size)) for a in range(0, n, size)]


def voxel_iou(p, o):
    p, o = p.flatten(1), o.flatten(1)
    return ((p & o).sum(1).float() / (p | o).sum(1).clamp_min(1)).mean().item()


def augment(rgb, alpha, noise=0.04):
    """rgb [B, 3, n, n] on white, alpha [B, 1, n, n]: tone, tint, noise, blur."""
    B, dev = len(rgb), rgb.device

    def u(lo, hi):
        return torch.rand(B, 1, 1, 1, device=dev) * (hi - lo) + lo
    x = ((rgb - (1 - alpha)) / alpha.clamp_min(1e-3)).clamp(0, 1) ** u(0.75, 1.25)
    x = (x - 0.5) * u(0.85, 1.25) + 0.5 + u(-0.05, 0.08)
    x = x * (1 + 0.06 * torch.randn(B, 3, 1, 1, device=dev)) + torch.randn_like(x) * u(0, noise)
    low = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear",
                        align_corners=False)
    blur = (torch.rand(B, 1, 1, 1, device=dev) < 0.4).float() * u(0, 1)
    return torch.lerp(x, low, blur).clamp(0, 1) * alpha + 1 - alpha


class Data:
    """Persons with their views, photos and voxels, as u8 on the device: colour and
    normal [N, 5, S, S, 3] with their alpha in cover, photo and alpha [N, K, S, S, .],
    voxels [N, r, r, r]."""

    def __init__(self, people, first, count, photos=2, view=sizes.VIEW, views=True):
        self.people = people
        self.params = people.generate(range(first, first + count))
        self.frames = people.frames(self.params)
        if views:
            self.colour, self.normal, self.cover = people.views(self.params, self.frames, view)
        shots = [people.photos(self.params, self.frames,
                               [(first + i) * 16 + k for i in range(count)], view)
                 for k in range(photos)]
        self.photo = torch.stack([s[0] for s in shots], 1)
        self.alpha = torch.stack([s[1] for s in shots], 1)
        self.voxels = people.voxels(self.params, self.frames, sizes.VOXELS)
        sync()
        log("%d persons from %d, %d photos each, %.0f voxels on average" % (
            count, first, photos, self.voxels.flatten(1).sum(1).float().mean().item()))


def held_out(people, count, photos=1):
    return Data(people, HELD_OUT, count, photos)
