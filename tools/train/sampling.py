# SPDX-License-Identifier: MIT
"""Stage 1 inference and its measures, as the C pipeline does them."""
import numpy as np
import torch
import torch.nn.functional as F

import sizes
from common import DEVICE, amp, batches, images, log, voxel_iou
from stage1 import VIEWS

LATENT = sizes.VIEW // 8


def rows(z):
    """[B, 10, ...] normal views then colour views -> [2 B V, ...]"""
    return torch.stack([z[:, :VIEWS], z[:, VIEWS:]]).flatten(0, 2)


def unrows(x, B):
    return x.reshape(2, B, VIEWS, *x.shape[1:]).transpose(0, 1).flatten(1, 2)


def face_of(rgb):
    """Upper middle third, enlarged [B, 3, S, S]"""
    S = rgb.shape[-1]
    f = rgb[:, :, :S // 3, S // 3:2 * S // 3]
    return F.interpolate(f, size=(S, S), mode="bicubic", align_corners=False).clamp(0, 1)


def spread_views(body, face):
    """[B, ...] -> [2 B V, ...]: body for four views, face for the fifth"""
    x = torch.stack([body] * 4 + [face], 1)
    return x[None].expand(2, *x.shape).flatten(0, 2)


def prompt_rows(con, B):
    return con.prompt[:, None].expand(-1, B, -1, -1, -1).flatten(0, 2)


class Stage1:
    def __init__(self, vae, structure, con, joint, numbers):
        self.vae, self.structure, self.con, self.joint = vae, structure, con, joint
        self.scaling, self.sscaling = numbers["vae_scaling"], numbers["structure_scaling"]
        for net in (vae, structure, con, joint):
            net.eval()

    @torch.no_grad()
    def __call__(self, rgb, alpha, steps=sizes.STEPS, guidance=sizes.GUIDANCE, seed=43):
        """rgb [B, 3, S, S] on white, alpha [B, 1, S, S]
        -> views [B, 10, 3, S, S] in 0..1 (normals, then colours), voxels [B, r, r, r]"""
        B, con = len(rgb), self.con
        g = torch.Generator(device=rgb.device).manual_seed(seed)
        z = torch.randn(B, 10, 4, LATENT, LATENT, device=rgb.device, generator=g)
        s = torch.randn(B, 8, *[sizes.JOINT["resolution"]] * 3, device=rgb.device, generator=g)
        u = np.linspace(1, 0, steps + 1)
        times = sizes.RESCALE * u / (1 + (sizes.RESCALE - 1) * u)
        face = face_of(rgb)
        with amp():
            tokens = con.tokens(rgb, alpha)
            label = spread_views(*con.labels(rgb, face))
            m = self.vae.encode(torch.cat([rgb, face]) * 2 - 1)[0].float() * self.scaling
            image, text = spread_views(*m.chunk(2)), prompt_rows(con, B)
            for t, after in zip(times[:-1], times[1:]):
                tt = torch.full((B,), float(t), device=rgb.device)
                v2, v3 = self.joint(torch.cat([rows(z), image], 1), tt, text, label, s, tokens)
                v2, v3 = v2.float(), v3.float()
                if guidance != 1:
                    w2, w3 = self.joint(torch.cat([rows(z), torch.zeros_like(image)], 1), tt,
                                        text, torch.zeros_like(label), s,
                                        torch.zeros_like(tokens))
                    v2 = w2.float() + guidance * (v2 - w2.float())
                    v3 = w3.float() + guidance * (v3 - w3.float())
                z = z - (t - after) * unrows(v2, B)
                s = s - (t - after) * v3
            z = z.flatten(0, 1) / self.scaling
            views = torch.cat([self.vae.decode(z[b]).float() for b in batches(len(z), 128)])
            voxels = self.structure(s / self.sscaling)[:, 0] > 0
        views = (views * 0.5 + 0.5).clamp(0, 1)
        return views.reshape(B, 10, *rgb.shape[1:]), voxels


def finish_views(views, rgb):
    """What Stage 2 gets: the photo as colour 0, the face normals pasted."""
    views = views.clone()
    S = rgb.shape[-1]
    views[:, VIEWS] = rgb
    views[:, 0, :, :S // 3, S // 3:2 * S // 3] = views[:, 4, :, 1::3, 1::3]
    return views


def silhouettes(voxels):
    """[B, x, y, z] -> [B, 2, row, col] seen from the front and the side"""
    return torch.stack([voxels.any(2).transpose(1, 2).flip(1),
                        voxels.any(1).transpose(1, 2).flip(1)], 1)


def mask_iou(a, b):
    a, b = a.flatten(1), b.flatten(1)
    return ((a & b).sum(1) / (a | b).sum(1).clamp_min(1)).float().mean().item()


def measure(data, views, voxels, tag=""):
    """Prints and returns the held-out figures of Stage 1."""
    truth = torch.cat([images(data.normal), images(data.colour)], 1).to(DEVICE)
    mask = (truth[:, :4] * 255 < 230).any(2)
    seen = (views[:, :4] * 255 < 230).any(2)
    error = ((views - truth) ** 2).mean(2)

    def psnr(first):
        """foreground of the views 1 to 3"""
        e = (error[:, first + 1:first + 4] * mask[:, 1:4]).flatten(1).sum(1)
        return (-10 * torch.log10(e / mask[:, 1:4].flatten(1).sum(1))).mean().item()
    small = F.adaptive_max_pool2d(seen[:, :2].float(), voxels.shape[-1]) > 0
    near = F.max_pool3d(data.voxels[:, None].float(), 3, 1, 1)[:, 0] > 0
    r = dict(iou=voxel_iou(voxels, data.voxels), front=mask_iou(mask[:, 0], seen[:, 0]),
             side=mask_iou(mask[:, 1], seen[:, 1]), back=mask_iou(mask[:, 2], seen[:, 2]),
             normal_db=psnr(0), colour_db=psnr(VIEWS),
             agreement=mask_iou(silhouettes(voxels), small),
             near=((voxels & near).flatten(1).sum(1).float()
                   / voxels.flatten(1).sum(1).clamp_min(1)).mean().item(),
             voxels=voxels.flatten(1).sum(1).float().mean().item())
    log("held out", tag, ", ".join("%s %.3f" % kv for kv in r.items()))
    return r


def sheet(path, rgb, views, truth=None, count=8):
    """A picture with a row per person: photo, colours, normals (and the truth below)."""
    from PIL import Image
    lines = []
    for i in range(min(count, len(rgb))):
        for v in (views, truth):
            if v is None:
                continue
            tiles = [rgb[i]] + [v[i, k] for k in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]
            lines.append(torch.cat([t.float().cpu() for t in tiles], 2))
    x = (torch.cat(lines, 1).clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0)
    Image.fromarray(x.numpy()).save(path)
