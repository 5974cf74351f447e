# SPDX-License-Identifier: MIT
"""Step 3: Stage 2. SLat autoencoder with the mesh decoder, then the SLat flow
and the Gaussian decoder on its frozen latents.

The decoders see views as Stage 1 makes them half of the time, and the latent
is noise a quarter of the time, so that a weak flow cannot ruin the mesh.
Supervision comes straight from the distance field. Writes slat_encoder.pt,
mesh.pt, flow.pt, gaussian.pt and the latent's mean and std in numbers.json."""
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

import sizes
from common import (CUDA, DEVICE, Data, amp, arguments, batches, cosine, held_out,
                    images, load, log, numbers, save, save_numbers, setup)
from people import People
from sampling import Stage1, finish_views
from stage2 import Voxels, gaussian_constants

R = sizes.VOXELS
FINE = 4 * R         # the mesh decoder's grid


class Source:
    """Persons with true views, and views that Stage 1 made of some of them."""

    def __init__(self, data, s1, predicted):
        self.d = data
        N, n = len(data.voxels), min(predicted, len(data.voxels))
        alpha = data.alpha[:, 0][:, None].float() / 255
        made = []
        with torch.no_grad():
            self.tokens = []
            for b in batches(N, 128):
                rgb = images(data.photo[b, 0])
                if b.start < n:
                    # Stage 1 sees clean photos at inference: no augmentation here
                    views = finish_views(s1(rgb, alpha[b])[0], rgb)
                    made.append((views * 255 + 0.5).byte())
                with amp():
                    self.tokens.append(s1.con.tokens(rgb, alpha[b]).half())
        self.tokens = torch.cat(self.tokens)
        self.made = torch.cat(made)[:n]
        self.order = data.voxels.flatten(1).sum(1).argsort()

    def draw(self, B):
        """Persons of similar voxel count."""
        start = int(torch.randint(max(1, len(self.order) - B + 1), (1,)))
        return self.order[start:start + B]

    def views(self, ix, predicted):
        """[B, 10, 3, S, S] in 0..1; predicted: bool [B]"""
        d = self.d
        true = torch.cat([images(d.normal[ix]), images(d.colour[ix])], 1)
        true = finish_views(true, images(d.photo[ix, 0]))
        use = predicted & (ix < len(self.made))
        made = self.made[ix.clamp(max=len(self.made) - 1)].float() / 255
        return torch.where(use[:, None, None, None, None], made, true)

    def field(self, ix, pts):
        """Distance in fine voxels, colour, normal at pts [B, K, 3]"""
        d, c, n = self.d.people.points(self.d.params, self.d.frames, ix, pts, True)
        return d * FINE, c, n


@torch.no_grad()
def features(con, views):
    """Multi-scale DINO features of the colour and the normal views
    [B, 4, R, R, C] each"""
    B = len(views)
    x = torch.cat([views[:, 5:9], views[:, 0:4]], 1).flatten(0, 1)
    x = F.interpolate(x, size=(14 * R, 14 * R), mode="bilinear", align_corners=False)
    with amp():
        f = con.dino((x - con.mean) / con.std, taps=sizes.TAPS)
    f = f.reshape(B, 2, 4, R, R, -1)
    return f[:, 0], f[:, 1]


def encoder_input(src, ix, vox):
    """64 distances around, colour and normal of every voxel [B, N, 70]"""
    k = (torch.arange(4, device=DEVICE) + 0.5) / 4
    g = torch.stack(torch.meshgrid(k, k, k, indexing="ij"), -1).reshape(1, 1, 64, 3)
    B, N = vox.valid.shape
    pts = ((vox.coords[:, :, None] + g) / R - 0.5).flatten(1, 2)
    d = src.d.people.points(src.d.params, src.d.frames, ix, pts, False).reshape(B, N, 64) * R
    _, c, n = src.field(ix, (vox.coords + 0.5) / R - 0.5)
    return torch.cat([d.clamp(-1.5, 1.5), c, n], -1)


def mesh_targets(src, ix, vox):
    """Distance in fine voxels [B, M, 8] and colour, normal [B, M, 8, 6] at the
    corners of the fine voxels, x fastest."""
    k = torch.arange(8, device=DEVICE)
    corner = torch.stack([k & 1, k >> 1 & 1, k >> 2 & 1], -1)
    B, M = vox.v2.shape
    pts = (vox.c2[:, :, None] + corner).flatten(1, 2).float() / FINE - 0.5
    d, c, n = src.field(ix, pts)
    return d.reshape(B, M, 8), torch.cat([c, n * 0.5 + 0.5], -1).reshape(B, M, 8, 6)


def mesh_loss(o, vox, d, attr):
    """-> distance loss, colour loss, deformation, share of right signs, and
    the mean error within one fine voxel of the surface"""
    s = o[..., :8] - 1 / FINE
    near = vox.v2[..., None] & (d.abs() < 3)
    w = near.float() * torch.where(d.abs() < 1, 3.0, 1.0)
    error = (s - d.clamp(-2, 2)).abs()
    c = o[..., 53:].reshape(*d.shape, 6).sigmoid()
    wc = (vox.v2[..., None] & (d.abs() < 1.5)).float()
    colour = ((c - attr).abs().mean(-1) * wc).sum() / wc.sum()
    close = (vox.v2[..., None] & (d.abs() < 1)).float()
    sign = ((s.sign() == d.sign()) & near).sum() / near.sum()
    return ((error * w).sum() / w.sum(), colour, (o[..., 8:53] ** 2).mean(), sign,
            (error * close).sum() / close.sum())


def train_mesh(a, src, con, enc, dec):
    params = list(enc.parameters()) + list(dec.parameters())
    opt = torch.optim.AdamW(params, a.rate, weight_decay=0.01, betas=(0.9, 0.98),
                            **({"fused": True} if CUDA else {}))
    began, saved, i, sums = time.time(), time.time(), 0, 0
    while time.time() - began < a.mesh or i < 1:
        for g in opt.param_groups:
            g["lr"] = cosine(i, (time.time() - began) / a.mesh, a.rate)
        ix = src.draw(a.batch)
        B = len(ix)
        vox = Voxels(src.d.voxels[ix])
        vox.subdivide()
        x = encoder_input(src, ix, vox)
        d, attr = mesh_targets(src, ix, vox)
        colour, normal = features(con, src.views(ix, torch.rand(B, device=DEVICE) < 0.5))
        with amp():
            m, lv = enc(x, vox)
            m, lv = m.float(), lv.float().clamp(-10, 6)
            z = m + torch.randn_like(m) * (0.5 * lv).exp()
            spread = m.detach()[vox.valid].std(0)
            noise = torch.randn_like(z) * spread
            z = z + noise * torch.rand(B, 1, 1, device=DEVICE)
            z = torch.where(torch.rand(B, 1, 1, device=DEVICE) < 0.25, noise, z)
            o = dec(z, vox, colour, normal)
        kl = ((m * m + lv.exp() - lv - 1) * vox.valid[..., None]).sum() / vox.valid.sum() / 8
        ls, lc, reg, sign, close = mesh_loss(o, vox, d, attr)
        opt.zero_grad(set_to_none=True)
        (ls + 2 * lc + 0.1 * reg + 4e-3 * kl).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        i += 1
        sums = sums + torch.stack([ls, lc, kl, sign, close]).detach()
        if i % (200 if CUDA else 1) == 0:
            log("mesh %d: distance %.3f, colour %.4f, kl %.3f, signs %.4f, close %.3f; %.0f ms" % (
                i, *(sums / (200 if CUDA else 1)).tolist(), 1e3 * (time.time() - began) / i))
            sums = 0
        if time.time() - saved > 60:
            saved = time.time()
            save(a, "slat_encoder", enc)
            save(a, "mesh", dec)
    log("mesh steps", i)
    save(a, "slat_encoder", enc)
    save(a, "mesh", dec)


@torch.no_grad()
def statistics(a, src, enc):
    """Mean and std of the latents over some persons."""
    total = []
    for k in range(16 if CUDA else 1):
        ix = src.draw(a.batch)
        vox = Voxels(src.d.voxels[ix])
        with amp():
            total.append(enc(encoder_input(src, ix, vox), vox)[0].float()[vox.valid])
    z = torch.cat(total)
    return z.mean(0), z.std(0)


def gaussian_loss(o, vox, src, ix, dec):
    """o [B, N, 14 G] against points projected on the surface."""
    B, N, _ = o.shape
    G = dec.count
    anchor = torch.tanh(dec.offset_perturbation) * 0.75                 # in voxels
    centre = vox.coords[:, :, None] + 0.5
    d, c, n = src.field(ix, ((centre + anchor) / R - 0.5).flatten(1, 2))
    move = (n * (d / 4)[..., None]).reshape(B, N, G, 3)                  # in voxels
    target = ((anchor - move) / 0.75).clamp(-0.97, 0.97)
    w = vox.valid[..., None].float() * ((d / 4).abs() < 1.2).reshape(B, N, G).float()
    w = w / w.sum().clamp_min(1)
    bias, _ = gaussian_constants()
    xyz = o[..., :3 * G].reshape(B, N, G, 3)
    dc = o[..., 3 * G:6 * G].reshape(B, N, G, 3) * 0.28209479 + 0.5
    scale, rot = o[..., 6 * G:9 * G], o[..., 9 * G:13 * G]
    want = math.log(math.expm1(0.0055)) - bias
    place = (torch.tanh(xyz + dec.offset_perturbation) - target).abs().mean(-1)
    colour = (dc - c.reshape(B, N, G, 3)).abs().mean(-1)
    fixed = (scale - want).abs().mean() + rot.abs().mean() + (o[..., 13 * G:] - 6.2).abs().mean()
    return (place * w).sum(), (colour * w).sum(), fixed


def train_flow(a, src, con, enc, flow, gs, mean, std):
    params = list(flow.parameters()) + list(gs.parameters())
    opt = torch.optim.AdamW(params, a.rate, weight_decay=0.01, betas=(0.9, 0.98),
                            **({"fused": True} if CUDA else {}))
    average = [p.detach().clone() for p in flow.parameters()]
    began, i, sums = time.time(), 0, 0
    while time.time() - began < a.flow or i < 1:
        done = (time.time() - began) / a.flow
        for g in opt.param_groups:
            g["lr"] = cosine(i, done, a.rate)
        ix = src.draw(2 * a.batch)
        B = len(ix)
        vox = Voxels(src.d.voxels[ix])
        vox.downsample()
        with torch.no_grad(), amp():
            m = enc(encoder_input(src, ix, vox), vox)[0].float()
        x = (m - mean) / std
        t = torch.sigmoid(torch.randn(B, device=DEVICE) * 1.2 + 0.5)
        noise = torch.randn_like(x)
        keep = (torch.rand(B, 1, 1, device=DEVICE) >= 0.1).float()
        tt = t[:, None, None]
        with amp():
            v = flow((1 - tt) * x + tt * noise, t, src.tokens[ix].float() * keep, vox)
        loss = lf = (((v.float() - (noise - x)) ** 2).mean(-1) * vox.valid).sum() / vox.valid.sum()
        if i % 3 == 0:
            half = ix[:B // 2] if B > 1 else ix
            hv = Voxels(src.d.voxels[half])
            colour, normal = features(con, src.views(
                half, torch.rand(len(half), device=DEVICE) < 0.5))
            n = hv.coords.shape[1]
            z = m[:len(half), :n]
            if z.shape[1] < n:
                z = F.pad(z, (0, 0, 0, n - z.shape[1]))
            z = z + torch.randn_like(z) * std * torch.rand(len(half), 1, 1, device=DEVICE)
            with amp():
                o = gs(z, hv, colour, normal)
            g = gaussian_loss(o, hv, src, half, gs)
            loss = loss + g[0] + 2 * g[1] + 0.1 * g[2]
            last = list(g)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        i += 1
        with torch.no_grad():
            w = min(0.998, (i + 1) / (i + 10))
            torch._foreach_mul_(average, w)
            torch._foreach_add_(average, [p.detach() for p in flow.parameters()], alpha=1 - w)
        sums = sums + torch.stack([lf.detach()] + [g.detach() for g in last])
        if i % (200 if CUDA else 1) == 0:
            log("flow %d: velocity %.4f, Gaussians: place %.4f, colour %.4f, fixed %.4f; %.0f ms" % (
                i, *(sums / (200 if CUDA else 1)).tolist(), 1e3 * (time.time() - began) / i))
            sums = 0
            save(a, "gaussian", gs)
    with torch.no_grad():
        for p, e in zip(flow.parameters(), average):
            p.copy_(e)
    log("flow steps", i)
    save(a, "flow", flow)
    save(a, "gaussian", gs)


@torch.no_grad()
def sample_flow(flow, tokens, vox, steps=sizes.SLAT_STEPS, strength=sizes.SLAT_STRENGTH,
                seed=7):
    """Normalised latents [B, N, 8]; strength as the official sampler counts it."""
    B, N = vox.valid.shape
    g = torch.Generator(device=tokens.device).manual_seed(seed)
    x = torch.randn(B, N, 8, device=tokens.device, generator=g)
    u = np.linspace(1, 0, steps + 1)
    times = 3 * u / (1 + 2 * u)
    for t, after in zip(times[:-1], times[1:]):
        tt = torch.full((B,), float(t), device=x.device)
        with amp():
            v = flow(x, tt, tokens, vox).float()
            if strength and t >= 0.5:
                v0 = flow(x, tt, torch.zeros_like(tokens), vox).float()
                v = (1 + strength) * v - strength * v0
        x = x - (t - after) * v
    return x


@torch.no_grad()
def check(a, src, con, enc, dec, flow, gs, mean, std):
    """Held-out figures with true voxels, by where latents and views come from."""
    parts = [torch.arange(s.start, s.stop, device=DEVICE)
             for s in batches(min(32, len(src.d.voxels)), 8)]
    tries = [("encoder", False, 0, 1), ("encoder", True, 0, 1),
             ("flow", True, sizes.SLAT_STEPS, sizes.SLAT_SHRINK), ("flow", True, 12, 1.0),
             ("noise", True, 0, 1), ("noise", True, 0, 0)]
    for name, predicted, steps, shrink in tries:
        total = 0
        for ix in parts:
            vox = Voxels(src.d.voxels[ix])
            vox.subdivide()
            vox.downsample()
            colour, normal = features(con, src.views(
                ix, torch.full((len(ix),), predicted, device=DEVICE)))
            with amp():
                if name == "encoder":
                    z = enc(encoder_input(src, ix, vox), vox)[0].float()
                elif name == "flow":
                    z = sample_flow(flow, src.tokens[ix].float(), vox, steps)
                    z = z * std * shrink + mean
                else:
                    z = torch.randn(*vox.valid.shape, 8, device=DEVICE)
                    z = z * std * shrink + mean
                o = dec(z, vox, colour, normal)
                d, attr = mesh_targets(src, ix, vox)
                r = mesh_loss(o, vox, d, attr)
                g = gaussian_loss(gs(z, vox, colour, normal), vox, src, ix, gs)
            total = total + torch.stack([r[0], r[4], r[3], r[1], g[0], g[1]]) / len(parts)
        v = total.tolist()
        log("held out, latents: %s x %.1f, %s views: distance %.3f, close %.3f, signs %.4f, "
            "colour %.4f; Gaussians: place %.4f, colour %.4f" % (
                name, shrink, "made" if predicted else "true", *v))


def main():
    a = arguments(__doc__, people=3072, predicted=1536, mesh=160.0, flow=110.0, batch=8,
                  rate=6e-4, held_out=32)
    setup(3)
    source = People(DEVICE)
    num = numbers(a)
    vae, structure, con, joint = (
        load(a, n).eval().requires_grad_(False)
        for n in ("vae", "structure_decoder", "conditioner", "joint"))
    s1 = Stage1(vae, structure, con, joint, num)
    test = Source(held_out(source, a.held_out), s1, a.held_out)
    src = Source(Data(source, 0, a.people, 1), s1, a.predicted)
    log("views by Stage 1:", len(src.made))
    enc, dec = load(a, "slat_encoder", False), load(a, "mesh", False)
    flow, gs = load(a, "flow", False), load(a, "gaussian", False)
    if a.mesh > 0:
        train_mesh(a, src, con, enc, dec)
    enc.eval().requires_grad_(False)
    mean, std = statistics(a, src, enc)
    save_numbers(a, slat_mean=mean.tolist(), slat_std=std.tolist())
    log("latent mean", [round(v, 2) for v in mean.tolist()], "std",
        [round(v, 2) for v in std.tolist()])
    train_flow(a, src, con, enc, flow, gs, mean, std)
    for net in (dec, flow, gs):
        net.eval()
    check(a, test, con, enc, dec, flow, gs, mean, std)


if __name__ == "__main__":
    main()
