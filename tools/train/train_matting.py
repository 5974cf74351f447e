# SPDX-License-Identifier: MIT
"""Step 4: the matting network, on generated people in front of photographs.

--backgrounds is a folder with train/ and test/ from backgrounds.py. Writes
matting.pt. It is small enough to run beside step 3 on the same GPU."""
import glob
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import sizes
from common import CUDA, DEVICE, amp, arguments, cosine, load, log, save, setup, sync
from people import HELD_OUT, People

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(folder):
    """u8 [M, 3, 512, 512]"""
    from PIL import Image
    files = sorted(glob.glob(os.path.join(folder, "*.jpg")))
    if not files:
        raise SystemExit(folder + " has no pictures; see backgrounds.py")
    x = np.stack([np.asarray(Image.open(f).convert("RGB").resize((512, 512))) for f in files])
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().to(DEVICE)


def u(B, lo, hi):
    return torch.rand(B, 1, 1, 1, device=DEVICE) * (hi - lo) + lo


def flip(B, p):
    return torch.rand(B, 1, 1, 1, device=DEVICE) < p


def sprites(people, first, count, side):
    """Cut-out persons: straight RGB and alpha u8 [N, 4, side, side]"""
    params = people.generate(range(first, first + count))
    frames = people.frames(params)
    rgb, alpha = people.photos(params, frames, [(first + i) * 16 + 9 for i in range(count)],
                               side, margin=0.06, straight=True)
    return torch.cat([rgb.permute(0, 3, 1, 2), alpha[:, None]], 1).contiguous()


def place(x, scale, dx, dy, angle, mirror, size):
    """Puts [B, C, h, h] into [B, C, size, size]: zero outside. scale 1 fills."""
    c, s = torch.cos(angle) / scale, torch.sin(angle) / scale
    m = torch.where(mirror, -torch.ones_like(c), torch.ones_like(c))
    theta = torch.cat([
        torch.cat([m * c, m * s, m * (-c * dx - s * dy)], 3),
        torch.cat([-s, c, s * dx - c * dy], 3)], 2).flatten(0, 1)
    grid = F.affine_grid(theta, (len(x), x.shape[1], size, size), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)


def crop(pool, B, size, lo, hi):
    """Random places of random pictures [B, 3, size, size] in 0..1"""
    x = pool[torch.randint(len(pool), (B,), device=DEVICE)].float() / 255
    scale = u(B, lo, hi)
    room = (scale - 1).clamp_min(0)
    y = place(x, scale, u(B, -1, 1) * room, u(B, -1, 1) * room, u(B, -0.05, 0.05), flip(B, .5), size)
    return y


def blob(B, size):
    """Random soft-edged shapes [B, 1, size, size]"""
    k = int(torch.randint(3, 9, (1,)))
    low = torch.randn(B, 1, k, k, device=DEVICE)
    n = F.interpolate(low, size=(size, size), mode="bicubic", align_corners=False)
    return ((n - u(B, 0.3, 1.2)) * u(B, 5, 60)).clamp(0, 1)


def tone(x, amount=1.0):
    B = len(x)
    x = x.clamp(1e-4, 1) ** (1 + amount * u(B, -0.35, 0.45))
    x = (x - 0.5) * (1 + amount * u(B, -0.25, 0.25)) + 0.5 + amount * u(B, -0.12, 0.12)
    return x * (1 + amount * 0.08 * torch.randn(B, 3, 1, 1, device=DEVICE))


def blur(x, share):
    """Blurs a random share of the pictures by resizing."""
    B, S = len(x), x.shape[-1]
    k = int(torch.randint(2, 5, (1,)))
    low = F.interpolate(F.avg_pool2d(x, k), size=(S, S), mode="bilinear", align_corners=False)
    return torch.lerp(x, low, flip(B, share).float() * u(B, 0.3, 1))


def compose(pool, people, B, size, hard=True):
    """Random pictures and their mattes [B, 3, S, S], [B, 1, S, S]"""
    x = tone(crop(pool, B, size, 1.0, 3.0))
    x = torch.where(flip(B, 0.35), blur(x, 1.0), x)
    plain = torch.rand(B, 3, 1, 1, device=DEVICE) + u(B, -0.3, 0.3) * torch.linspace(
        -1, 1, size, device=DEVICE)[:, None]
    x = torch.where(flip(B, 0.08), plain, x)
    if hard:  # things that are not people
        for share in (0.5, 0.3):
            thing = tone(crop(pool, B, size, 1.0, 5.0))
            flat = torch.rand(B, 3, 1, 1, device=DEVICE) * (0.8 + 0.4 * thing)
            thing = torch.where(flip(B, 0.4), flat, thing)
            x = torch.lerp(x, thing, blob(B, size) * flip(B, share).float())
    matte = torch.zeros(B, 1, size, size, device=DEVICE)
    for share in ((0.93, 0.12) if hard else (1.0,)):
        s = people[torch.randint(len(people), (B,), device=DEVICE)].float() / 255
        rgb, alpha = s[:, :3], s[:, 3:]
        scale = torch.exp(u(B, -0.8, 0.35))
        s = place(torch.cat([rgb * alpha, alpha], 1), scale, u(B, -0.45, 0.45), u(B, -0.35, 0.35),
                  u(B, -0.2, 0.2), flip(B, 0.5), size)
        there = flip(B, share).float()
        alpha = s[:, 3:] * there
        rgb = s[:, :3] / s[:, 3:].clamp_min(1e-3)
        # photographic grain on skin and cloth, light of the surroundings
        patch = crop(pool, B, size, 1.5, 4.0).mean(1, keepdim=True)
        rgb = rgb * (1 + u(B, 0, 0.7) * flip(B, 0.6).float() * (patch - patch.mean((2, 3), keepdim=True)))
        rgb = tone(rgb)
        rgb = torch.lerp(rgb, rgb * x.mean((2, 3), keepdim=True) * 1.8, u(B, 0, 0.35))
        shadow = F.avg_pool2d(F.pad(alpha, (15, 15, 30, 0), mode="replicate")[:, :, :size + 30], 31, 1)
        shadow = shadow[:, :, :size, :size]
        x = x * (1 - u(B, 0, 0.5) * shadow * flip(B, 0.4).float())
        soft = F.avg_pool2d(F.pad(alpha, (1, 1, 1, 1), mode="replicate"), 3, 1)
        alpha = torch.where(flip(B, 0.5), soft, alpha)
        x = x * (1 - alpha) + rgb.clamp(0, 1) * alpha
        matte = matte + alpha - matte * alpha
    x = tone(x, 0.6)
    x = blur(x, 0.3)
    x = x + torch.randn_like(x) * u(B, 0, 0.05)
    return x.clamp(0, 1), matte


def normalise(x):
    x = x / x.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in (MEAN, STD))
    return (x - mean) / std


def matting_loss(fused, sides, y):
    total = 0
    for k, s in enumerate([fused] + sides):
        s = s.float()
        p = s.sigmoid()
        both = (p * y).sum((1, 2, 3))
        either = (p + y - p * y).sum((1, 2, 3))
        iou = 1 - (both + 50) / (either + 50)
        total = total + (F.binary_cross_entropy_with_logits(s, y) + 0.5 * iou.mean()) * (
            2 if k == 0 else 0.5)
    return total


def stretched(net, x):
    """As inference: sigmoid stretched to 0..1 per picture"""
    with torch.no_grad(), amp():
        p = net(normalise(x))[0].float().sigmoid()
    lo, hi = p.amin((1, 2, 3), keepdim=True), p.amax((1, 2, 3), keepdim=True)
    return (p - lo) / (hi - lo).clamp_min(1e-6), p


def check(net, pool, people, size, count):
    """IoU at one half on unseen people over unseen photographs."""
    net.eval()
    torch.manual_seed(99)
    ious, empty = [], []
    for _ in range(count):
        x, y = compose(pool, people, 16, size, hard=False)
        p, _ = stretched(net, x)
        a, b = p > 0.5, y > 0.5
        ious.append((a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3)).clamp_min(1))
        bare = crop(pool, 16, size, 1.0, 3.0)
        empty.append(stretched(net, bare)[1].amax((1, 2, 3)))
    ious, empty = torch.cat(ious).float(), torch.cat(empty)
    log("held out: IoU mean %.3f, median %.3f, below 0.7: %.2f; highest matte without a person: "
        "median %.2f, over 0.5: %.2f" % (ious.mean(), ious.median(), (ious < 0.7).float().mean(),
                                         empty.median(), (empty > 0.5).float().mean()))
    if os.environ.get("SHEET"):
        from PIL import Image
        m = torch.cat([x[:8], y[:8].expand(-1, 3, -1, -1), p[:8].expand(-1, 3, -1, -1)], 2)
        m = torch.cat(list(m), 2).permute(1, 2, 0)
        Image.fromarray((m.clamp(0, 1) * 255).byte().cpu().numpy()).save(os.environ["SHEET"])
    net.train()


def main():
    a = arguments(__doc__, backgrounds="backgrounds", people=4096, seconds=240.0, batch=32,
                  rate=2e-3, size=sizes.MATTING["size"], small=224)
    setup(4)
    source = People(DEVICE)
    train_pool = pictures(os.path.join(a.backgrounds, "train"))
    test_pool = pictures(os.path.join(a.backgrounds, "test"))
    people = sprites(source, 500000, a.people, 320)
    test = sprites(source, HELD_OUT, min(64, a.people), 320)
    sync()
    log("%d backgrounds, %d held out, %d persons" % (len(train_pool), len(test_pool), len(people)))
    net = load(a, "matting", False).train()
    opt = torch.optim.AdamW(net.parameters(), a.rate, weight_decay=1e-4, betas=(0.9, 0.99),
                            **({"fused": True} if CUDA else {}))
    began, saved, i, sums = time.time(), time.time(), 0, 0
    while time.time() - began < a.seconds or i < 2:
        done = (time.time() - began) / a.seconds
        for g in opt.param_groups:
            g["lr"] = cosine(i, done, a.rate)
        size = a.small if done < 0.6 else a.size
        with torch.no_grad():
            x, y = compose(train_pool, people, a.batch, size)
        with amp():
            fused, sides = net(normalise(x))
        loss = matting_loss(fused, sides, y)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        i += 1
        sums = sums + loss.detach()
        if i % (200 if CUDA else 1) == 0:
            log("matting %d: loss %.4f; %.0f ms" % (
                i, sums / (200 if CUDA else 1), 1e3 * (time.time() - began) / i))
            sums = 0
        if time.time() - saved > 60:
            saved = time.time()
            save(a, "matting", net)
    log("matting steps", i)
    save(a, "matting", net)
    check(net, test_pool, test, a.size, 16 if CUDA else 1)


if __name__ == "__main__":
    main()
