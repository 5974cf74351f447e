# SPDX-License-Identifier: MIT
"""Step 2: photo encoders and the joint 2D-3D denoiser.

First the photo encoder alone with two auxiliary heads (surface voxels, front
and back normals), then everything. The whole training step is one CUDA graph.
The decoder of voxels learns along, from the clean latents that a step aims at:
those of few steps lie between shapes. Writes conditioner.pt, joint.pt and
structure_decoder.pt (averaged weights). Repeating it goes on from the weights
it finds; --begin and --end are the part of the learning
rate's curve that a run covers. --freeze 1 leaves the encoders as they are, so
that Stage 2, which uses them, need not be trained again. With --pixels N the
first N persons of a batch are at the very start of sampling, t = 1, and what a
sampler of one step makes of them is compared as pictures; the image decoder
(vae.pt) learns along."""
import os
import time

import torch
import torch.nn.functional as F

import sizes
from common import (CUDA, DEVICE, Data, amp, arguments, augment, batches, cosine, folders,
                    held_out, images, load, log, numbers, save, setup, sync, voxel_iou)
from layers import ModulatedBlock
from people import People
from sampling import (Stage1, face_of, measure, prompt_rows, rows, sheet, spread_views,
                      unrows)
from stage1 import VIEWS, MultiViewBlock, Resnet, SyncStructure, SyncViews, VitBlock

LIGHT = 230 / 255  # lighter in every channel is background


def mirrored(normal, colour, cover):
    """Views of the mirrored person: side views change places, the others their
    columns, normals their x."""
    def turn(x):
        f = x.flip(3)  # no lists of indices: they are copied from the host
        return torch.stack([f[:, 0], x[:, 3], f[:, 2], x[:, 1], f[:, 4]], 1)
    normal, colour, cover = turn(normal), turn(colour), turn(cover)
    x = 510 - cover.float() - normal[..., 0].float()  # on white: 255 a - x + 2 (255 - 255 a)
    normal[..., 0] = x.clamp(0, 255).byte()
    return normal, colour


# kept of the persons only, mirrored when they are drawn
STRAIGHT = ("rgb", "alpha", "pictures", "cover")


@torch.no_grad()
def encode(data, vae, encoder, num, pixels):
    """Augmented photos and, of the persons and of their mirror images, latents,
    voxels and coarse normals."""
    N, K = data.photo.shape[:2]
    out = {k: [] for k in ("rgb", "z", "s", "body", "face", "coarse")}

    def latents(x):
        with amp():
            return (vae.encode(x * 2 - 1)[0].float() * num["vae_scaling"]).bfloat16()
    for b in batches(N, 128):
        alpha = data.alpha[b].flatten(0, 1)[:, None].float() / 255
        x = augment(images(data.photo[b]).flatten(0, 1), alpha)
        out["rgb"].append((x * 255 + 0.5).byte().unflatten(0, (-1, K)))
        straight = data.normal[b], data.colour[b]
        for m, (normal, colour) in enumerate((straight, mirrored(*straight, data.cover[b]))):
            y, v = (x.flip(-1), data.voxels[b].flip(1)) if m else (x, data.voxels[b])
            with amp():
                s = encoder(v[:, None].float())[0].float() * num["structure_scaling"]
            two = images(torch.cat([normal[:, 0:1], normal[:, 2:3]], 1)).flatten(1, 2)
            views = images(torch.cat([normal, colour], 1)).flatten(0, 1)
            for k, t in (("z", latents(views).unflatten(0, (-1, 10))), ("s", s),
                         ("body", latents(y).unflatten(0, (-1, K))),
                         ("face", latents(face_of(y)).unflatten(0, (-1, K))),
                         ("coarse", F.avg_pool2d(two, sizes.VIEW // 32).half())):
                out[k].append(t)
    # rows 0..N-1 are the persons, N..2N-1 their mirror images
    out = {k: torch.cat(v if k == "rgb" else v[0::2] + v[1::2]) for k, v in out.items()}
    out["voxels"] = torch.cat([data.voxels, data.voxels.flip(1)])
    out["alpha"] = data.alpha
    if pixels:
        out["pictures"] = torch.cat([data.normal, data.colour], 1)
        out["cover"] = data.cover
    return out


def prepare(a, source, vae, encoder, num):
    """What a training step gathers from; the second half of each array but those
    of STRAIGHT belongs to the mirrored persons."""
    parts = [encode(Data(source, a.first + b.start, b.stop - b.start, a.photos), vae, encoder, num,
                    a.pixels > 0) for b in batches(a.people, 4096)]
    d = {}
    for k in list(parts[0]):
        halves = 1 if k in STRAIGHT else 2
        d[k] = torch.cat([p[k].chunk(halves)[h] for h in range(halves) for p in parts])
        for p in parts:
            del p[k]
    sync()
    log("latents: std %.3f %.3f" % (d["z"].float().std().item(), d["s"].std().item()))
    return d


def draw(d, B, pixels=0):
    """A batch: a random person or mirror image with one of the photos."""
    N, K = d["rgb"].shape[:2]
    ix = torch.randint(d["z"].shape[0], (B,), device=DEVICE)
    k = torch.randint(K, (B,), device=DEVICE)
    turned = (ix >= N)[:, None, None, None]
    x = {n: d[n][ix].float() for n in ("z", "s", "voxels", "coarse")}
    x.update({n: d[n][ix, k].float() for n in ("body", "face")})
    rgb, alpha = d["rgb"][ix % N, k].float() / 255, d["alpha"][ix % N, k][:, None].float() / 255
    x["rgb"] = torch.where(turned, rgb.flip(-1), rgb)
    x["alpha"] = torch.where(turned, alpha.flip(-1), alpha)
    if pixels > 0:
        two, i = d["pictures"], ix[:pixels] % N
        normal, colour = two[i, :VIEWS], two[i, VIEWS:]
        m = torch.cat(mirrored(normal.clone(), colour, d["cover"][i]), 1)
        x["pictures"] = torch.where(turned[:pixels, :, :, :, None], m, two[i])
    return x


def picture_loss(vae, z, pictures, views):
    """What clean latents z [B, 10, 4, L, L] show in @views of the ten pictures
    u8 [B, 10, S, S, 3]. Colours count where the person is: what the decoder
    paints beside an outline does no harm, white inside one does. The outlines
    come from the normals."""
    B, dev = len(z), z.device
    pick = torch.rand(B, 2 * VIEWS, device=dev).argsort(1)[:, :views]
    row = torch.arange(B, device=dev)[:, None]
    with amp():
        y = vae.decode(z[row, pick].flatten(0, 1))
    y = y.float() * 0.5 + 0.5
    want = images(pictures[row, pick]).flatten(0, 1)
    inside = (want.amin(1, keepdim=True) < LIGHT).float()
    is_colour = (pick.flatten() >= VIEWS).float()[:, None, None, None]
    weight = 1 + inside * (5 * is_colour + 0.5 * (1 - is_colour))
    e = y - want
    e = (weight * (e * e + 0.05 * e.abs())).mean() / weight.mean()
    seen = torch.sigmoid(40 * (LIGHT - y.amin(1, keepdim=True)))
    both, either = ((v * (1 - is_colour)).sum() for v in (2 * seen * inside, seen + inside))
    return e, 1 - both / either.clamp_min(1)


def shape_loss(logits, voxels, weight):
    """Cross entropy and Dice of surface voxels [B, r, r, r]; weight [B]"""
    bce = F.binary_cross_entropy_with_logits(logits, voxels, reduction="none").flatten(1).mean(1)
    p, o = torch.sigmoid(logits).flatten(1), voxels.flatten(1)
    dice = 1 - 2 * (p * o).sum(1) / (p.sum(1) + o.sum(1)).clamp_min(1)
    return ((4 * bce + dice) * weight).sum() / weight.sum().clamp_min(1)


def auxiliary(con, tokens, x):
    """Losses of the heads on the photo encoder's tokens."""
    occ = shape_loss(con.occupancy(tokens), x["voxels"], torch.ones(len(tokens), device=DEVICE))
    return occ, (con.dense(con.normals(tokens), 4) - x["coarse"]).abs().mean()


def warm_up(a, con, d):
    """The photo encoder with its auxiliary heads."""
    params = [p for n, p in con.named_parameters() if n.startswith(("dino", "occ", "normal"))]
    opt = torch.optim.AdamW(params, a.encoder_rate, weight_decay=0.02, betas=(0.9, 0.98),
                            **({"fused": True} if CUDA else {}))
    began, i, sums = time.time(), 0, 0
    while time.time() - began < a.warm_up or (i < 1 and a.warm_up > 0):
        for g in opt.param_groups:
            g["lr"] = cosine(i, (time.time() - began) / a.warm_up, a.encoder_rate, 200, 0.1)
        x = draw(d, 4 * a.batch)
        with amp():
            occ, nrm = auxiliary(con, con.tokens(x["rgb"], x["alpha"]), x)
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
    if a.warm_up > 0:
        save(a, "conditioner", con)


def times(B):
    """A third of them near 1: a sampler of few steps lives there."""
    late = 1 - 0.1 * torch.rand(B, device=DEVICE)
    usual = torch.sigmoid(torch.randn(B, device=DEVICE) * 1.2 + 0.8)
    return torch.where(torch.rand(B, device=DEVICE) < 0.35, late, usual)


# views, structure, voxels; encoder: voxels, normals; pictures, outlines
WEIGHTS = (1, 1, 0.5, 0.4, 0.2, 8, 0.3)


class Trainer:
    """One training step, captured as a CUDA graph where there is one."""

    def __init__(self, a, nets, d, num):
        self.a, self.nets, self.d = a, nets, d
        self.scaling, self.vae_scaling = num["structure_scaling"], num["vae_scaling"]
        nets["conditioner"].requires_grad_(not a.freeze)
        # the encoder comes from its own warm-up and needs smaller steps
        groups = [[p for n, m in nets.items() for p in m.parameters()
                   if p.requires_grad and (n == "conditioner") == c] for c in (False, True)]
        self.params = groups[0] + groups[1]
        self.rates = [torch.tensor(1e-5, device=DEVICE) for _ in groups]
        kind = dict(fused=True, capturable=True) if CUDA else {}
        self.opt = torch.optim.AdamW(
            [dict(params=g, lr=r if CUDA else 1e-4) for g, r in zip(groups, self.rates) if g],
            weight_decay=0.01, betas=(0.9, 0.98), **kind)
        self.average = [p.detach().clone() for p in self.params]
        self.stats = torch.zeros(len(WEIGHTS), device=DEVICE)
        self.graph = None

    def loss(self):
        a, con, B = self.a, self.nets["conditioner"], self.a.batch
        P = a.pixels
        x = draw(self.d, B, P)
        keep = (torch.rand(B, device=DEVICE) >= 0.1).float()
        t = times(B)
        first = torch.arange(B, device=DEVICE) < P
        keep, t = torch.where(first, 1.0, keep), torch.where(first, 1.0, t)
        z, s = x["z"], x["s"]
        nz, ns = torch.randn_like(z), torch.randn_like(s)
        tt = t.reshape(-1, 1, 1, 1, 1)
        kk = keep[:, None, None, None]
        image = spread_views(x["body"] * kk, x["face"] * kk)
        st = (1 - tt) * s + tt * ns
        half = slice(0, max(P, (B + 1) // 2))
        with amp():
            tokens = con.tokens(x["rgb"], x["alpha"])
            label = spread_views(*(c * keep[:, None]
                                   for c in con.labels(x["rgb"], face_of(x["rgb"]))))
            v2, v3 = self.nets["joint"](
                torch.cat([rows((1 - tt) * z + tt * nz), image], 1), t, prompt_rows(con, B),
                label, st, tokens * keep[:, None, None])
            # the clean latent that the step aims at, as voxels
            aim = (st - tt * v3.float())[half] / self.scaling
            logits = self.nets["structure_decoder"](aim)[:, 0].float()
            occ, nrm = [z.new_zeros(())] * 2 if a.freeze else auxiliary(con, tokens, x)
        # pictures say more than latents where there are any
        weight = torch.where(first, 0.1, 1.0)
        weight = weight / weight.mean()
        e2 = (unrows(v2.float(), B) - (nz - z)) ** 2
        e3 = (v3.float() - (ns - s)) ** 2
        l2, l3 = ((weight * e.flatten(1).mean(1)).mean() for e in (e2, e3))
        shape = shape_loss(logits, x["voxels"][half], keep[half])
        picture, outline = [z.new_zeros(())] * 2
        if P > 0:
            clean = (nz[:P] - unrows(v2.float(), B)[:P]) / self.vae_scaling
            picture, outline = picture_loss(self.nets["vae"], clean, x["pictures"], a.views)
        return l2, l3, shape, occ, nrm, picture, outline

    def step(self):
        self.opt.zero_grad(set_to_none=True)
        parts = self.loss()
        sum(w * p for w, p in zip(WEIGHTS, parts)).backward()
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


def compile_blocks(nets):
    """Fuses what is between the matrix products, block by block: the compiler
    needs minutes for the network in one piece."""
    torch._dynamo.config.cache_size_limit = 64
    for net in nets.values():
        for m in net.modules():
            if isinstance(m, (ModulatedBlock, MultiViewBlock, Resnet, SyncStructure, SyncViews,
                              VitBlock)):
                m.compile(dynamic=False)


def keep(a, nets):
    for name, net in nets.items():
        save(a, name, net)


def train(a, nets, d, num):
    if CUDA and a.compile:
        compile_blocks(nets)
    tr = Trainer(a, nets, d, num)
    tr.capture()
    tr.stats.zero_()
    began, saved, i = time.time(), time.time(), 0
    while time.time() - began < a.seconds or i < 2:
        done = a.begin + (a.end - a.begin) * (time.time() - began) / a.seconds
        for r, share in zip(tr.rates, (1, a.encoder_share)):
            r.fill_(share * cosine(i, done, a.rate, 200))
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
            log("joint %d: views %.4f, structure %.4f, voxels %.4f; encoder: voxels %.4f, "
                "normals %.4f; pictures %.4f, outlines %.4f; %.1f ms" % (i, *m, 1e3 * (time.time() - began) / i))
        if time.time() - saved > 90:
            saved = time.time()
            tr.averaged()
            keep(a, nets)
            tr.averaged()
    sync()
    log("joint steps %d of %d persons" % (i, a.batch))
    tr.averaged()
    keep(a, nets)
    if CUDA and a.compile:
        torch.compiler.set_stance("force_eager")


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
    a = arguments(__doc__, people=20480, photos=2, seconds=400.0, warm_up=60.0, batch=64,
                  rate=8e-4, encoder_rate=8e-4, encoder_share=0.3, begin=0.0, end=1.0,
                  held_out=64, eager=0, compile=1, first=0, freeze=0, pixels=0, views=4, cache="")
    setup(1 + int(100 * a.begin) + a.first)
    source = People(DEVICE)
    vae, encoder, decoder = (load(a, n) for n in ("vae", "structure_encoder", "structure_decoder"))
    for net in (vae, encoder):
        net.requires_grad_(False).eval()
    num = numbers(a)
    test = held_out(source, a.held_out)
    if a.cache and os.path.exists(a.cache):
        d = torch.load(a.cache, map_location=DEVICE)
        log("read", a.cache)
    else:
        d = prepare(a, source, vae, encoder, num)
        if a.cache:
            torch.save(d, a.cache)
            log("wrote", a.cache)
    nets = {"joint": load(a, "joint", False), "conditioner": load(a, "conditioner", False),
            "structure_decoder": decoder}
    if a.pixels > 0:
        for part in (vae.decoder, vae.post_quant_conv):
            part.requires_grad_(True)
        nets["vae"] = vae
    if a.warm_up > 0:
        warm_up(a, nets["conditioner"], d)
    if a.seconds > 0:
        train(a, nets, d, num)
    del d
    s1 = Stage1(vae, decoder, nets["conditioner"], nets["joint"], num)
    grid = ([(1, 1.0), (2, 1.0), (4, 1.0), (4, 1.5), (8, 1.5)]
            if CUDA else [(2, 1.5)])
    check(a, test, s1, grid if a.seconds > 0 else [])


if __name__ == "__main__":
    main()
