# SPDX-License-Identifier: MIT
"""Step 1: image VAE and structure VAE, from generated people.

Writes vae.pt, structure_encoder.pt, structure_decoder.pt and the scaling
factors in numbers.json. Repeating it goes on from the weights it finds."""
import time

import torch
import torch.nn.functional as F

from common import (CUDA, DEVICE, Data, amp, arguments, batches, cosine, held_out, images, load,
                    log, save, save_numbers, setup, voxel_iou)
from people import People


def kl(mean, logvar):
    return (mean * mean + logvar.exp() - logvar - 1).mean()


def image_loss(x, y, weight):
    """x, y [B, 3, n, n] in [-1, 1]; weight [B, 1, n, n] raises the foreground."""
    e = x - y
    gradient = (e[..., 1:] - e[..., :-1]).abs() * weight[..., 1:]
    down = (e[..., 1:, :] - e[..., :-1, :]).abs() * weight[..., 1:, :]
    mean = F.avg_pool2d(e * weight, 8).abs().mean()
    w = weight.mean()
    return ((e.abs() * weight).mean() + 2 * (e * e * weight).mean() + 0.5 * gradient.mean()
            + 0.5 * down.mean() + 0.5 * mean) / w


def foreground(x):
    """Pixels of a picture on white that are not background [B, 1, n, n]."""
    return (x.amin(1, keepdim=True) < 0.99).float()


def psnr_foreground(x, y):
    """x, y in [-1, 1]"""
    m = foreground(x)
    e = ((x - y.clamp(-1, 1)) ** 2 / 4 * m).flatten(1).sum(1) / (3 * m.flatten(1).sum(1).clamp_min(1))
    return (-10 * torch.log10(e.clamp_min(1e-9))).mean().item()


def evaluate(data, vae, encoder, decoder):
    """Held-out figures and the scaling factors."""
    pictures = torch.cat([data.colour.flatten(0, 1), data.normal.flatten(0, 1)])
    z, y = [], []
    with torch.no_grad(), amp():
        for s in batches(len(pictures), 64):
            m = vae.encode(images(pictures[s]) * 2 - 1)[0].float()
            z.append(m)
            y.append(vae.decode(m).float())
        sz = torch.cat([encoder(data.voxels[s][:, None].float())[0].float()
                        for s in batches(len(data.voxels), 64)])
        back = torch.cat([decoder(sz[s])[:, 0] > 0 for s in batches(len(sz), 64)])
    z, y, x = torch.cat(z), torch.cat(y), images(pictures) * 2 - 1
    half = len(x) // 2
    log("held out: foreground dB colour %.2f normal %.2f; structure IoU %.3f; latent std %s" % (
        psnr_foreground(x[:half], y[:half]), psnr_foreground(x[half:], y[half:]),
        voxel_iou(back, data.voxels), [round(v, 2) for v in z.std((0, 2, 3)).tolist()]))
    return 1 / z.std().item(), 1 / sz.std().item()


def main():
    a = arguments(__doc__, people=20480, seconds=240.0, rate=1.2e-3, small_batch=48,
                  held_out=64, photos=1)
    setup()
    source = People(DEVICE)
    test = held_out(source, a.held_out)
    data = Data(source, 0, a.people, a.photos)
    train(a, data, test)


def train(a, data, test):
    vae = load(a, "vae", False)
    encoder = load(a, "structure_encoder", False)
    decoder = load(a, "structure_decoder", False)
    nets = (vae, encoder, decoder)
    params = [p for net in nets for p in net.parameters()]
    opt = torch.optim.AdamW(params, a.rate, weight_decay=1e-4, betas=(0.9, 0.98),
                            **({"fused": True} if CUDA else {}))
    pools = [data.colour.flatten(0, 1), data.normal.flatten(0, 1), data.photo.flatten(0, 1)]
    began, i, saved = time.time(), 0, time.time()
    while time.time() - began < a.seconds or i < 2:
        done = (time.time() - began) / a.seconds
        for g in opt.param_groups:
            g["lr"] = cosine(i, done, a.rate)
        crop = done < 0.75
        n = a.small_batch if crop else max(a.small_batch // 3, 1)
        x = torch.cat([images(p[torch.randint(len(p), (n,), device=DEVICE)]) for p in pools])
        if crop:  # 96 pixel crops where people are: random, the middle more often
            side = x.shape[-1] // 2
            r, c = (torch.randint(side + 1, (2,))).tolist()
            x = x[:, :, r:r + side, c:c + side].contiguous()
        weight = 1 + 3 * foreground(x)
        x = x * 2 - 1
        with amp():
            m, lv = vae.encode(x)
            m, lv = m.float(), lv.float().clamp(-12, 8)
            y = vae.decode(m + torch.randn_like(m) * (0.5 * lv).exp()).float()
        loss = image_loss(x, y, weight) + 3e-5 * kl(m, lv)
        if i % 4 == 0:
            o = data.voxels[torch.randint(len(data.voxels), (min(32, len(data.voxels)),),
                                          device=DEVICE)][:, None].float()
            with amp():
                sm, slv = encoder(o)
                sm, slv = sm.float(), slv.float().clamp(-12, 8)
                q = decoder(sm + torch.randn_like(sm) * (0.5 * slv).exp()).float()
            p = q.sigmoid()
            dice = 1 - (2 * (p * o).sum() + 1) / (p.sum() + o.sum() + 1)
            bce = F.binary_cross_entropy_with_logits(q, o)
            loss = loss + 4 * bce + dice + 3e-4 * kl(sm, slv)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        i += 1
        if i % (500 if CUDA else 1) == 0:
            log("vae %d: L1 %.4f, bce %.4f, dice %.4f, kl %.2f" % (
                i, (x - y).abs().mean().item(), bce.item(), dice.item(), kl(m, lv).item()))
        if time.time() - saved > 60:
            saved = time.time()
            for name, net in zip(("vae", "structure_encoder", "structure_decoder"), nets):
                save(a, name, net)
    log("vae steps", i)
    scaling, structure = evaluate(test, *nets)
    save_numbers(a, vae_scaling=scaling, structure_scaling=structure)
    for name, net in zip(("vae", "structure_encoder", "structure_decoder"), nets):
        save(a, name, net)
        net.eval().requires_grad_(False)


if __name__ == "__main__":
    main()
