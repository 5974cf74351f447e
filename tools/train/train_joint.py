# SPDX-License-Identifier: MIT
"""Step 2: photo encoders and the joint 2D-3D denoiser.

First the photo encoder alone with two auxiliary heads (surface voxels, front
and back normals), then everything. The whole training step is one CUDA graph.
Writes conditioner.pt and joint.pt (averaged weights). Repeating it goes on
from the weights it finds; --begin and --end are the part of the learning
rate's curve that a run covers. --freeze 1 leaves the encoders as they are, so
that Stage 2, which uses them, need not be trained again."""
import os
import time

import torch
import torch.nn.functional as F

import sizes
from common import (CUDA, DEVICE, Data, amp, arguments, augment, batches, cosine, folders,
                    held_out, images, load, log, numbers, save, setup, sync, voxel_iou)
from people import People
from sampling import (Stage1, face_of, measure, prompt_rows, rows, sheet,
                      spread_views)


@torch.no_grad()
def prepare(a, data, vae, encoder, num):
    """What a training step gathers from: augmented photos with their latents,
    target latents, voxels and coarse normals."""
    N, K = data.photo.shape[:2]
    z, s = [], []
    for b in batches(N, 64):
        x = torch.cat([data.normal[b], data.colour[b]], 1).flatten(0, 1)
        with amp():
            m = vae.encode(images(x) * 2 - 1)[0]
            sm = encoder(data.voxels[b][:, None].float())[0]
        z.append((m.float() * num["vae_scaling"]).bfloat16().reshape(-1, 10, *m.shape[1:]))
        s.append((sm.float() * num["structure_scaling"]))
    rgb = torch.empty(N, K, 3, sizes.VIEW, sizes.VIEW, dtype=torch.uint8, device=DEVICE)
    body, face = [], []
    for b in batches(N, 128):
        alpha = data.alpha[b].flatten(0, 1)[:, None].float() / 255
        x = augment(images(data.photo[b]).flatten(0, 1), alpha)
        rgb[b] = (x * 255 + 0.5).byte().reshape(-1, K, *x.shape[1:])
        with amp():
            m = [vae.encode(y * 2 - 1)[0].float() * num["vae_scaling"] for y in (x, face_of(x))]
        for out, y in zip((body, face), m):
            out.append(y.bfloat16().reshape(-1, K, *y.shape[1:]))
    two = torch.cat([data.normal[:, 0:1], data.normal[:, 2:3]], 1)
    coarse = torch.cat([F.avg_pool2d(images(two[b]).flatten(1, 2), sizes.VIEW // 32)
                        for b in batches(N, 256)])
    out = dict(z=torch.cat(z), s=torch.cat(s), rgb=rgb, alpha=data.alpha, body=torch.cat(body),
               face=torch.cat(face), voxels=data.voxels, coarse=coarse.half())
    sync()
    log("latents: std %.3f %.3f" % (out["z"].float().std().item(), out["s"].std().item()))
    return out


def auxiliary(con, tokens, d, ix):
    """Losses of the heads on the photo encoder's tokens."""
    occ = F.binary_cross_entropy_with_logits(con.occupancy(tokens), d["voxels"][ix].float()) * 4
    nrm = (con.dense(con.normals(tokens), 4) - d["coarse"][ix].float()).abs().mean()
    return occ, nrm


def pick(d, B):
    N, K = d["rgb"].shape[:2]
    return torch.randint(N, (B,), device=DEVICE), torch.randint(K, (B,), device=DEVICE)


def warm_up(a, con, d):
    """The photo encoder with its auxiliary heads."""
    params = [p for n, p in con.named_parameters() if n.startswith(("dino", "occ", "normal"))]
    opt = torch.optim.AdamW(params, a.encoder_rate, weight_decay=0.02, betas=(0.9, 0.98),
                            **({"fused": True} if CUDA else {}))
    began, i, sums = time.time(), 0, 0
    while time.time() - began < a.warm_up or (i < 1 and a.warm_up > 0):
        for g in opt.param_groups:
            g["lr"] = cosine(i, (time.time() - began) / a.warm_up, a.encoder_rate, 200, 0.1)
        ix, k = pick(d, 4 * a.batch)
        with amp():
            tokens = con.tokens(d["rgb"][ix, k].float() / 255, d["alpha"][ix, k][:, None].float() / 255)
            occ, nrm = auxiliary(con, tokens, d, ix)
        opt.zero_grad(set_to_none=True)
        (occ + nrm).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        i += 1
        sums = sums + torch.stack([occ.detach(), nrm.detach()])
        if i % (500 if CUDA else 1) == 0:
            log("encoder %d: voxels %.4f, normals %.4f" % (i, *(sums / 500).tolist()))
            sums = 0
    log("encoder steps", i)


class Trainer:
    """One training step, captured as a CUDA graph where there is one."""

    def __init__(self, a, con, net, d):
        self.a, self.con, self.net, self.d = a, con, net, d
        con.requires_grad_(not a.freeze)
        self.params = [p for m in (net, con) for p in m.parameters() if p.requires_grad]
        self.rate = torch.tensor(1e-5, device=DEVICE)
        kind = dict(fused=True, capturable=True) if CUDA else {}
        self.opt = torch.optim.AdamW(self.params, self.rate if CUDA else 1e-4,
                                     weight_decay=0.01, betas=(0.9, 0.98), **kind)
        self.average = [p.detach().clone() for p in self.params]
        self.stats = torch.zeros(4, device=DEVICE)
        self.graph = None

    def loss(self):
        a, d, con = self.a, self.d, self.con
        B = a.batch
        ix, k = pick(d, B)
        rgb, alpha = d["rgb"][ix, k].float() / 255, d["alpha"][ix, k][:, None].float() / 255
        keep = (torch.rand(B, device=DEVICE) >= 0.1).float()
        t = torch.sigmoid(torch.randn(B, device=DEVICE) * 1.2 + 0.5)
        z, s = d["z"][ix].float(), d["s"][ix]
        nz, ns = torch.randn_like(z), torch.randn_like(s)
        tt = t.reshape(-1, 1, 1, 1, 1)
        kk = keep[:, None, None, None]
        image = spread_views(d["body"][ix, k].float() * kk, d["face"][ix, k].float() * kk)
        with amp():
            tokens = con.tokens(rgb, alpha)
            label = spread_views(*(c * keep[:, None] for c in con.labels(rgb, face_of(rgb))))
            v2, v3 = self.net(torch.cat([rows((1 - tt) * z + tt * nz), image], 1), t,
                              prompt_rows(con, B), label, (1 - tt) * s + tt * ns,
                              tokens * keep[:, None, None])
            occ, nrm = [z.new_zeros(())] * 2 if a.freeze else auxiliary(con, tokens, d, ix)
        l2 = ((v2.float() - rows(nz - z)) ** 2).mean()
        l3 = ((v3.float() - (ns - s)) ** 2).mean()
        return l2, l3, occ, nrm

    def step(self):
        self.opt.zero_grad(set_to_none=True)
        parts = self.loss()
        (parts[0] + parts[1] + 0.3 * parts[2] + 0.2 * parts[3]).backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.opt.step()
        with torch.no_grad():
            torch._foreach_mul_(self.average, 0.999)
            torch._foreach_add_(self.average, [p.detach() for p in self.params], alpha=0.001)
            self.stats += torch.stack([p.detach() for p in parts])

    def capture(self):
        if not CUDA or self.a.eager:
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        self.opt.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()
        sync()
        log("captured; %.1f GB" % (torch.cuda.max_memory_allocated() / 1e9))

    def run(self):
        if self.graph:
            self.graph.replay()
        else:
            self.step()

    def averaged(self):
        """Swaps the averaged weights in; call again to swap back."""
        with torch.no_grad():
            for p, e in zip(self.params, self.average):
                old = p.detach().clone()
                p.copy_(e)
                e.copy_(old)


def train(a, con, net, d):
    tr = Trainer(a, con, net, d)
    tr.capture()
    tr.stats.zero_()
    began, saved, i = time.time(), time.time(), 0
    while time.time() - began < a.seconds or i < 2:
        done = a.begin + (a.end - a.begin) * (time.time() - began) / a.seconds
        tr.rate.fill_(cosine(i, done, a.rate, 200))
        tr.run()
        i += 1
        if i in (300, 1000):  # forget the start
            with torch.no_grad():
                for p, e in zip(tr.params, tr.average):
                    e.copy_(p)
        if i % (10 if CUDA else 1) == 0:
            sync()
        if i % (500 if CUDA else 1) == 0:
            m = (tr.stats / 500).tolist()
            tr.stats.zero_()
            log("joint %d: views %.4f, structure %.4f, voxels %.4f, normals %.4f; %.1f ms" % (
                i, *m, 1e3 * (time.time() - began) / i))
        if time.time() - saved > 90:
            saved = time.time()
            tr.averaged()
            save(a, "joint", net)
            save(a, "conditioner", con)
            tr.averaged()
    sync()
    log("joint steps %d of %d persons" % (i, a.batch))
    tr.averaged()
    save(a, "joint", net)
    save(a, "conditioner", con)


def check(a, data, s1, grid):
    alpha = data.alpha[:, 0][:, None].float() / 255
    rgb = images(data.photo[:, 0])
    with torch.no_grad(), amp():
        guess = torch.cat([s1.con.occupancy(s1.con.tokens(rgb[b], alpha[b])) > 0
                           for b in batches(len(rgb), 64)])
    log("voxel IoU of the photo encoder alone %.3f" % voxel_iou(guess, data.voxels))
    for steps, guidance in grid:
        parts = [s1(rgb[b], alpha[b], steps, guidance) for b in batches(len(rgb), 64)]
        views, voxels = (torch.cat(x) for x in zip(*parts))
        measure(data, views, voxels, "%d steps, guidance %.2f:" % (steps, guidance))
        if (steps, guidance) == grid[0]:
            truth = torch.cat([images(data.normal), images(data.colour)], 1)
            for d in folders(a):
                sheet(os.path.join(d, "views.png"), rgb, views, truth)


def main():
    a = arguments(__doc__, people=20480, photos=3, seconds=400.0, warm_up=60.0, batch=64,
                  rate=8e-4, encoder_rate=8e-4, begin=0.0, end=1.0, held_out=64, eager=0,
                  first=0, freeze=0, cache="")
    setup(1 + int(100 * a.begin) + a.first)
    source = People(DEVICE)
    vae, encoder, decoder = (load(a, n).requires_grad_(False).eval()
                             for n in ("vae", "structure_encoder", "structure_decoder"))
    num = numbers(a)
    test = held_out(source, a.held_out)
    if a.cache and os.path.exists(a.cache):
        d = torch.load(a.cache, map_location=DEVICE)
        log("read", a.cache)
    else:
        data = Data(source, a.first, a.people, a.photos)
        d = prepare(a, data, vae, encoder, num)
        del data
        if a.cache:
            torch.save(d, a.cache)
            log("wrote", a.cache)
    con, net = load(a, "conditioner", False), load(a, "joint", False)
    if a.warm_up > 0:
        warm_up(a, con, d)
    train(a, con, net, d)
    del d
    s1 = Stage1(vae, decoder, con, net, num)
    grid = [(8, 1.5), (8, 1.25), (8, 2.0), (12, 1.5)] if CUDA else [(2, 1.5)]
    check(a, test, s1, grid)


if __name__ == "__main__":
    main()
