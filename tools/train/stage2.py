# SPDX-License-Identifier: MIT
"""Stage 2 networks on padded batches: features [B, N, C] of N voxel slots, of
which `valid` [B, N] are used. SLat encoder (only for training), mesh decoder,
Gaussian decoder and SLat flow."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from layers import (Box, ModulatedBlock, TANH_GELU, TanhGELU, attention, plain_norm,
                    position_embedding, timestep_embedding, zero)


def gelu_tanh():
    return nn.GELU("tanh") if TANH_GELU else TanhGELU()


def children(coords):
    """[B, N, 3] -> [B, 8N, 3], z fastest"""
    k = torch.arange(8, device=coords.device)
    off = torch.stack([k >> 2 & 1, k >> 1 & 1, k & 1], -1)
    return (coords[:, :, None] * 2 + off).flatten(1, 2)


def neighbours(coords, valid, res):
    """Rows of the 27 neighbours of every voxel [B, N, 27]; N where absent."""
    B, N, _ = coords.shape
    n = res + 2
    key = ((coords[..., 0] + 1) * n + coords[..., 1] + 1) * n + coords[..., 2] + 1
    grid = torch.full((B, n ** 3), N, dtype=torch.int32, device=coords.device)
    row = torch.arange(N, dtype=torch.int32, device=coords.device).expand(B, N)
    grid.scatter_(1, torch.where(valid, key, torch.zeros_like(key)),
                  torch.where(valid, row, torch.full_like(row, N)))
    o = torch.arange(-1, 2, device=coords.device)
    o = (o[:, None, None] * n + o[None, :, None]) * n + o
    at = (key[..., None] + o.reshape(-1)).clamp(0, n ** 3 - 1)
    return grid.gather(1, at.flatten(1)).reshape(B, N, 27).long()


class Voxels:
    """The active voxels of a batch and the index tables that layers need."""

    def __init__(self, occupied, window=8):
        """occupied: bool [B, res, res, res]"""
        dev, B, self.res = occupied.device, len(occupied), occupied.shape[-1]
        n = occupied.flatten(1).sum(1)
        N = (max(int(n.max()), 1) + 63) // 64 * 64
        self.valid = torch.arange(N, device=dev)[None] < n[:, None]
        self.coords = torch.zeros(B, N, 3, dtype=torch.long, device=dev)
        self.coords[self.valid] = occupied.nonzero()[:, 1:]
        self.windows = [self.window_mask(s, window) for s in (0, window // 2)]
        self.nb = neighbours(self.coords, self.valid, self.res)

    def window_mask(self, shift, window):
        w = (self.coords + shift) // window
        w = (w[..., 0] * 64 + w[..., 1]) * 64 + w[..., 2]
        w = torch.where(self.valid, w, torch.full_like(w, -1))
        return (w[:, :, None] == w[:, None])[:, None]

    def subdivide(self):
        """Tables of the two finer levels, for the mesh decoder."""
        self.c1, self.v1 = children(self.coords), self.valid.repeat_interleave(8, 1)
        self.c2, self.v2 = children(self.c1), self.v1.repeat_interleave(8, 1)
        self.nb1 = neighbours(self.c1, self.v1, 2 * self.res)
        self.nb2 = neighbours(self.c2, self.v2, 4 * self.res)

    def downsample(self):
        """Tables of the coarser level, for the flow."""
        B, half = len(self.coords), self.res // 2
        c = self.coords // 2
        key = (c[..., 0] * half + c[..., 1]) * half + c[..., 2]
        key = torch.where(self.valid, key, torch.full_like(key, half ** 3))
        used = torch.zeros(B, half ** 3 + 1, dtype=torch.bool, device=c.device)
        used.scatter_(1, key, True)
        used = used[:, :-1]
        coarse = Voxels(used.reshape(B, half, half, half))
        row = used.long().cumsum(1) - 1
        self.up = F.pad(row, (0, 1)).gather(1, key)           # [B, N]: coarse row
        M = coarse.coords.shape[1]
        self.count = torch.zeros(B, M, device=c.device).scatter_add_(
            1, self.up, self.valid.float())
        self.coarse = coarse
        coarse.full = coarse.valid[:, None, None]              # [B, 1, 1, M] attention mask

    def pool(self, x):
        """Sum / (count + 1), as the reference."""
        B, N, C = x.shape
        x = x * self.valid[..., None]
        y = x.new_zeros(B, self.count.shape[1], C)
        y = y.scatter_add(1, self.up[..., None].expand(-1, -1, C), x)
        return y / (self.count[..., None] + 1).to(y.dtype)

    def spread(self, x):
        return x.gather(1, self.up[..., None].expand(-1, -1, x.shape[-1]))


class SparseConv(nn.Module):
    """Submanifold 3x3x3 convolution, weight [out, 3, 3, 3, in]."""

    def __init__(self, a, b, start=1.0):
        super().__init__()
        self.conv = nn.Module()
        self.conv.weight = nn.Parameter(
            torch.randn(b, 3, 3, 3, a) * (start * (27 * a) ** -0.5))
        self.conv.bias = nn.Parameter(torch.zeros(b))

    def forward(self, x, nb):
        B, N, C = x.shape
        y = F.pad(x, (0, 0, 0, 1))
        y = y.gather(1, nb.flatten(1)[..., None].expand(-1, -1, C)).reshape(B, N, 27 * C)
        return F.linear(y, self.conv.weight.flatten(1), self.conv.bias)


class PointLinear(nn.Linear):
    """1x1x1 sparse convolution, kept as a plain linear layer in training.
    export.py writes it in the reference's buffer order."""


class SparseGroupNorm(nn.GroupNorm):
    def forward(self, x, valid):
        B, N, C = x.shape
        y = x.float().reshape(B, N, self.num_groups, -1)
        w = valid[..., None, None].float()
        k = w.sum(1, keepdim=True).clamp_min(1) * y.shape[-1]
        mean = (y * w).sum((1, 3), keepdim=True) / k
        var = ((y - mean) ** 2 * w).sum((1, 3), keepdim=True) / k
        y = ((y - mean) * (var + self.eps).rsqrt()).reshape(B, N, C)
        return (y * self.weight + self.bias).to(x.dtype)


class SparseBlock(nn.Module):
    """Windowed attention, optional view conditioning, MLP."""

    def __init__(self, c, heads, ratio, mv=0):
        super().__init__()
        self.heads = heads
        self.attn = Box(to_qkv=nn.Linear(c, 3 * c), to_out=nn.Linear(c, c))
        self.mlp = Box(mlp=nn.Sequential(
            nn.Linear(c, int(ratio * c)), gelu_tanh(), nn.Linear(int(ratio * c), c)))
        if mv:
            self.mv_condition = nn.Sequential(
                nn.Linear(c + mv, 4 * c), gelu_tanh(), zero(nn.Linear(4 * c, c)))

    def forward(self, x, mask, views=None):
        B, N, C = x.shape
        q, k, v = self.attn.to_qkv(plain_norm(x)).reshape(
            B, N, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        o = attention(q, k, v, mask).transpose(1, 2).reshape(B, N, C)
        x = x + self.attn.to_out(o)
        if views is not None:
            x = x + self.mv_condition(torch.cat([plain_norm(x), views], -1))
        return x + self.mlp.mlp(plain_norm(x))


class Torso(nn.Module):
    def __init__(self, cin, c, blocks, heads, ratio, mv=0):
        super().__init__()
        self.channels = c
        self.input_layer = nn.Linear(cin, c)
        self.blocks = nn.ModuleList(SparseBlock(c, heads, ratio, mv) for _ in range(blocks))

    def run(self, x, vox, views=None):
        h = self.input_layer(x) + position_embedding(vox.coords, self.channels)
        for i, b in enumerate(self.blocks):
            h = b(h, vox.windows[i % 2], views)
        return h


class SLatEncoder(Torso):
    """Distances, colour and normal around a voxel -> mean, log variance."""

    def __init__(self, cin=70, c=128, blocks=2, latent=8):
        super().__init__(cin, c, blocks, 2, 2)
        self.out_layer = nn.Linear(c, 2 * latent)

    def forward(self, x, vox):
        return self.out_layer(plain_norm(self.run(x, vox))).chunk(2, -1)


class ViewTorso(Torso):
    """Torso whose blocks see the features of four normal and colour views."""

    def __init__(self, latent, c, blocks, heads, ratio, feat, mv):
        super().__init__(latent, c, blocks, heads, ratio, 8 * mv)
        self.input_layer_color = nn.Linear(feat, mv)
        self.input_layer_normal = nn.Linear(feat, mv)

    def torso(self, z, vox, colour, normal):
        """colour, normal [B, 4, g, g, feat] feature maps; row = g - 1 - z"""
        row = vox.res - 1 - vox.coords[..., 2]
        at = torch.arange(len(z), device=z.device)[:, None]
        views = []
        for maps in (self.input_layer_normal(normal), self.input_layer_color(colour)):
            for v in range(4):
                views.append(maps[at, v, row, vox.coords[..., v % 2]])
        return self.run(z, vox, torch.cat(views, -1))


class SubdivideBlock(nn.Module):
    def __init__(self, c, o):
        super().__init__()
        self.act_layers = nn.ModuleList([SparseGroupNorm(32, c)])
        self.out_layers = nn.ModuleList([
            SparseConv(c, o), SparseGroupNorm(32, o), nn.Identity(),
            SparseConv(o, o, 0.0)])
        self.skip_connection = Box(conv=PointLinear(c, o))

    def forward(self, x, valid, fine, nb):
        h = F.silu(self.act_layers[0](x, valid)).repeat_interleave(8, 1)
        h = F.silu(self.out_layers[1](self.out_layers[0](h, nb), fine))
        skip = self.skip_connection.conv(x).repeat_interleave(8, 1)
        return self.out_layers[3](h, nb) + skip


class MeshDecoder(ViewTorso):
    """-> [B, 64 N, 101]: 8 distances, 24 shifts, 21 weights, 8 x 6 colours"""

    def __init__(self, latent_channels=8, model_channels=256, num_blocks=2, num_heads=4,
                 mlp_ratio=1, feat=768, mv_dim=24):
        c = model_channels
        super().__init__(latent_channels, c, num_blocks, num_heads, mlp_ratio, feat, mv_dim)
        self.upsample = nn.ModuleList([SubdivideBlock(c, c // 4), SubdivideBlock(c // 4, c // 8)])
        self.out_layer = nn.Linear(c // 8, 101)

    def forward(self, z, vox, colour, normal):
        h = self.torso(z, vox, colour, normal)
        h = self.upsample[0](h, vox.valid, vox.v1, vox.nb1)
        h = self.upsample[1](h, vox.v1, vox.v2, vox.nb2)
        return self.out_layer(h.float())


def radical_inverse(base, n):
    value, inv = 0.0, 1.0 / base
    while n:
        value, n, inv = value + (n % base) * inv, n // base, inv / base
    return value


class GaussianDecoder(ViewTorso):
    """-> [B, N, G * 14]: G x 3 places, colours, scales, then rotations, opacity"""

    def __init__(self, latent_channels=8, model_channels=96, num_blocks=2, num_heads=2,
                 mlp_ratio=1, feat=768, mv_dim=16, num_gaussians=8, voxel_size=1.5):
        super().__init__(latent_channels, model_channels, num_blocks, num_heads, mlp_ratio,
                         feat, mv_dim)
        self.count = num_gaussians
        G = num_gaussians
        self.out_layer = nn.Linear(model_channels, 14 * G)
        p = torch.tensor([[i / G, radical_inverse(2, i), radical_inverse(3, i)]
                          for i in range(G)], dtype=torch.float64)
        self.register_buffer("offset_perturbation",
                             torch.atanh((2 * p - 1) / voxel_size).float())

    def forward(self, z, vox, colour, normal):
        h = self.torso(z, vox, colour, normal)
        return self.out_layer(plain_norm(h.float(), 1e-5))


class SparseResBlock(nn.Module):
    def __init__(self, a, b, emb, change=0):
        super().__init__()
        self.change = change                     # -1 coarser, 1 finer
        self.norm1 = nn.LayerNorm(a, 1e-6)
        self.conv1, self.conv2 = SparseConv(a, b), SparseConv(b, b, 0.0)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, 2 * b))
        if a != b:
            self.skip_connection = nn.Linear(a, b)

    def forward(self, x, e, vox):
        if self.change < 0:
            x = vox.pool(x)
        if self.change > 0:
            x = vox.spread(x)
        nb = vox.coarse.nb if self.change < 0 else vox.nb
        scale, shift = self.emb_layers(e)[:, None].chunk(2, -1)
        h = self.conv1(F.silu(self.norm1(x)), nb)
        h = self.conv2(F.silu(plain_norm(h) * (1 + scale) + shift), nb)
        return h + (self.skip_connection(x) if hasattr(self, "skip_connection") else x)


class SLatFlow(nn.Module):
    def __init__(self, in_channels=8, model_channels=96, cond_channels=192, num_blocks=4,
                 num_heads=2, mlp_ratio=4, io_block_channels=(32,), out_channels=8):
        super().__init__()
        c, io = model_channels, io_block_channels[0]
        self.t_embedder = Box(mlp=nn.Sequential(nn.Linear(256, c), nn.SiLU(), nn.Linear(c, c)))
        self.input_layer = nn.Linear(in_channels, io)
        self.input_blocks = nn.ModuleList([
            SparseResBlock(io, io, c), SparseResBlock(io, c, c, -1)])
        self.blocks = nn.ModuleList(
            ModulatedBlock(c, cond_channels, num_heads, mlp_ratio) for _ in range(num_blocks))
        self.out_blocks = nn.ModuleList([
            SparseResBlock(2 * c, io, c, 1), SparseResBlock(2 * io, io, c)])
        self.out_layer = zero(nn.Linear(io, out_channels))

    def forward(self, x, t, cond, vox):
        """x [B, N, 8]; t [B] in 0..1; cond [B, M, K] -> velocity [B, N, 8]"""
        e = self.t_embedder.mlp(timestep_embedding(1000 * t, 256))
        s0 = self.input_blocks[0](self.input_layer(x), e, vox)
        s1 = h = self.input_blocks[1](s0, e, vox)
        h = h + position_embedding(vox.coarse.coords, h.shape[-1])
        for b in self.blocks:
            h = b(h, e, cond, vox.coarse.full)
        h = self.out_blocks[0](torch.cat([h, s1.to(h.dtype)], -1), e, vox)
        h = self.out_blocks[1](torch.cat([h, s0.to(h.dtype)], -1), e, vox)
        return self.out_layer(plain_norm(h.float(), 1e-5))


def gaussian_constants(scaling_bias=4e-3, opacity_bias=0.1):
    """Biases in front of the softplus and the sigmoid."""
    return scaling_bias + math.log(-math.expm1(-scaling_bias)), \
        math.log(opacity_bias / (1 - opacity_bias))
