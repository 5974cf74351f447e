# SPDX-License-Identifier: MIT
"""Layers shared by the networks of both stages. Tensor names follow the
official checkpoint everywhere, so a state dict is written as it is."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def attention(q, k, v, mask=None):
    """q, k, v [B, heads, N, d]; mask True where a pair may attend."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    s = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    return s.softmax(-1) @ v


def attend(q, k, v, heads):
    """Multi-head attention over [B, N, C] tensors."""
    def split(x):
        return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)
    return attention(split(q), split(k), split(v)).transpose(1, 2).reshape(q.shape)


def zero(module):
    for p in module.parameters():
        nn.init.zeros_(p)
    return module


class Box(nn.Module):
    """A named set of modules: only there to make tensor names."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


class GroupNorm(nn.GroupNorm):
    """On CUDA keeps the input's type (statistics are fp32 inside)."""

    def forward(self, x):
        if not x.is_cuda:
            return super().forward(x)
        with torch.autocast("cuda", enabled=False):
            return F.group_norm(x, self.num_groups, self.weight.to(x.dtype),
                                self.bias.to(x.dtype), self.eps)


def layer_norm(x, weight=None, bias=None, eps=1e-6):
    """Over the last axis. On CUDA keeps the input's type where autocast would
    write fp32 (statistics are fp32 inside): a third of the traffic."""
    if not x.is_cuda:
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)
    with torch.autocast("cuda", enabled=False):
        weight, bias = (None if p is None else p.to(x.dtype) for p in (weight, bias))
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


class LayerNorm(nn.LayerNorm):
    def forward(self, x):
        return layer_norm(x, self.weight, self.bias, self.eps)


def plain_norm(x, eps=1e-6):
    """LayerNorm without affine."""
    return layer_norm(x, eps=eps)


def timestep_embedding(t, dim):
    """t [B] -> [B, dim], cosines first."""
    f = torch.exp(-math.log(10000) * torch.arange(dim // 2, device=t.device).float()
                  / (dim // 2))
    a = t.float()[:, None] * f
    return torch.cat([a.cos(), a.sin()], -1)


def position_embedding(coords, channels):
    """coords [..., 3] -> [..., channels], sines first, zero padded."""
    d = channels // 6
    w = 10000 ** (-torch.arange(d, device=coords.device).float() / d)
    a = coords.float()[..., None] * w
    e = torch.cat([a.sin(), a.cos()], -1).flatten(-2)
    return F.pad(e, (0, channels - e.shape[-1]))


class GEGLU(nn.Module):
    def __init__(self, c, out):
        super().__init__()
        self.proj = nn.Linear(c, 2 * out)

    def forward(self, x):
        a, g = self.proj(x).chunk(2, -1)
        return a * F.gelu(g)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(c, 4 * c), nn.Identity(), nn.Linear(4 * c, c)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class HeadNorm(nn.Module):
    """RMS norm of every head's query or key; gamma [heads, d]."""

    def __init__(self, heads, d):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, d))

    def forward(self, x):
        y = F.normalize(x.float(), dim=-1) * self.gamma * x.shape[-1] ** 0.5
        return y.to(x.dtype)


class ModulatedBlock(nn.Module):
    """Self attention, cross attention, MLP with adaLN-zero modulation: the
    block of the structure transformer and of the SLat flow."""

    def __init__(self, c, ctx, heads, ratio):
        super().__init__()
        self.heads = heads
        self.norm2 = LayerNorm(c, 1e-6)
        self.self_attn = Box(
            to_qkv=nn.Linear(c, 3 * c), to_out=nn.Linear(c, c),
            q_rms_norm=HeadNorm(heads, c // heads),
            k_rms_norm=HeadNorm(heads, c // heads))
        self.cross_attn = Box(to_q=nn.Linear(c, c), to_kv=nn.Linear(ctx, 2 * c),
                              to_out=nn.Linear(c, c))
        self.mlp = Box(mlp=nn.Sequential(
            nn.Linear(c, int(ratio * c)), nn.GELU("tanh") if TANH_GELU else TanhGELU(),
            nn.Linear(int(ratio * c), c)))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), zero(nn.Linear(c, 6 * c)))

    def forward(self, x, t, ctx, mask=None):
        """x [B, N, C]; t [B, C]; ctx [B, M, ctx]"""
        shift1, scale1, gate1, shift2, scale2, gate2 = \
            self.adaLN_modulation(t)[:, None].chunk(6, -1)
        B, N, C = x.shape
        h = plain_norm(x) * (1 + scale1) + shift1
        q, k, v = self.self_attn.to_qkv(h).reshape(B, N, 3, self.heads, -1).unbind(2)
        q, k = self.self_attn.q_rms_norm(q), self.self_attn.k_rms_norm(k)
        q, k, v = (y.transpose(1, 2) for y in (q, k, v.to(q.dtype)))
        h = attention(q, k, v, mask).transpose(1, 2).reshape(B, N, C)
        x = x + gate1 * self.self_attn.to_out(h)
        k, v = self.cross_attn.to_kv(ctx).chunk(2, -1)
        h = attend(self.cross_attn.to_q(self.norm2(x)), k, v, self.heads)
        x = x + self.cross_attn.to_out(h)
        return x + gate2 * self.mlp.mlp(plain_norm(x) * (1 + scale2) + shift2)


class TanhGELU(nn.Module):
    """For PyTorch older than 1.12."""

    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x ** 3)))


try:
    nn.GELU("tanh")
    TANH_GELU = True
except TypeError:
    TANH_GELU = False


class Attention(nn.Module):
    """Projections only; the caller arranges the sequences."""

    def __init__(self, c, heads, ctx=None, inner=None):
        super().__init__()
        self.heads = heads
        inner, ctx = inner or c, ctx or c
        self.to_q = nn.Linear(c, inner, bias=False)
        self.to_k = nn.Linear(ctx, inner, bias=False)
        self.to_v = nn.Linear(ctx, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, c)])

    def out(self, x):
        return self.to_out[0](x)
