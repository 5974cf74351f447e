# SPDX-License-Identifier: MIT
"""Matting network in the layout of U2NETP, with free widths."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_bn(a, b, dilation=1):
    m = nn.Module()
    m.conv_s1 = nn.Conv2d(a, b, 3, padding=dilation, dilation=dilation)
    m.bn_s1 = nn.BatchNorm2d(b)
    return m


def run(m, x):
    return F.relu(m.bn_s1(m.conv_s1(x)))


def resize(x, like):
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class RSU(nn.Module):
    """Residual U block with `levels` levels; with @flat, dilation in place of
    pooling (RSU-4F)."""

    def __init__(self, levels, cin, mid, out, flat=False):
        super().__init__()
        self.levels, self.flat = levels, flat
        self.rebnconvin = conv_bn(cin, out)
        for k in range(1, levels + 1):
            d = 2 ** (k - 1) if flat else (2 if k == levels else 1)
            setattr(self, f"rebnconv{k}", conv_bn(out if k == 1 else mid, mid, d))
        for k in range(levels - 1, 0, -1):
            d = 2 ** (k - 1) if flat else 1
            setattr(self, f"rebnconv{k}d", conv_bn(2 * mid, out if k == 1 else mid, d))

    def forward(self, x):
        x = run(self.rebnconvin, x)
        e, h = [], x
        for k in range(1, self.levels):
            if k > 1 and not self.flat:
                h = F.max_pool2d(h, 2, 2, ceil_mode=True)
            h = run(getattr(self, f"rebnconv{k}"), h)
            e.append(h)
        h = run(getattr(self, f"rebnconv{self.levels}"), h)
        for k in range(self.levels - 1, 0, -1):
            if not self.flat and k < self.levels - 1:
                h = resize(h, e[k - 1])
            h = run(getattr(self, f"rebnconv{k}d"), torch.cat([h, e[k - 1]], 1))
        return h + x


class U2Net(nn.Module):
    """[B, 3, 320, 320] normalised RGB -> fused logit and six side logits."""

    def __init__(self, mid=16, out=32, size=320):
        super().__init__()
        kinds = [(7, False), (6, False), (5, False), (4, False), (4, True), (4, True)]
        for i, (levels, flat) in enumerate(kinds):
            setattr(self, f"stage{i + 1}", RSU(levels, 3 if i == 0 else out, mid, out, flat))
        for i in range(4, -1, -1):
            levels, flat = kinds[i]
            setattr(self, f"stage{i + 1}d", RSU(levels, 2 * out, mid, out, flat))
        for i in range(1, 7):
            setattr(self, f"side{i}", nn.Conv2d(out, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x):
        e, h = [], x
        for i in range(1, 7):
            if i > 1:
                h = F.max_pool2d(h, 2, 2, ceil_mode=True)
            h = getattr(self, f"stage{i}")(h)
            e.append(h)
        sides = [self.side6(h)]
        for i in range(5, 0, -1):
            h = getattr(self, f"stage{i}d")(torch.cat([resize(h, e[i - 1]), e[i - 1]], 1))
            sides.insert(0, getattr(self, f"side{i}")(h))
        sides = [sides[0]] + [resize(s, sides[0]) for s in sides[1:]]
        return self.outconv(torch.cat(sides, 1)), sides
