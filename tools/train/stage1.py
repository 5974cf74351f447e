# SPDX-License-Identifier: MIT
"""Stage 1 networks: image VAE, structure VAE, image encoders and the joint
2D-3D denoiser. Sizes are free; where the official code hard-wires a size, the
places follow from the configuration (three levels instead of four)."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from layers import (Attention, Box, FeedForward, GroupNorm, LayerNorm, ModulatedBlock,
                    attend, plain_norm, position_embedding, timestep_embedding, zero)

VIEWS = 5


class Resnet(nn.Module):
    def __init__(self, a, b, temb=0, eps=1e-6):
        super().__init__()
        self.norm1 = GroupNorm(32, a, eps)
        self.conv1 = nn.Conv2d(a, b, 3, 1, 1)
        self.norm2 = GroupNorm(32, b, eps)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1)
        if temb:
            self.time_emb_proj = nn.Linear(temb, b)
        if a != b:
            self.conv_shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x, emb=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if emb is not None:
            h = h + self.time_emb_proj(F.silu(emb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


# ---- AutoencoderKL ----

class VaeAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.group_norm = GroupNorm(32, c, 1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, c) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(c, c)])

    def forward(self, x):
        t = self.group_norm(x).flatten(2).transpose(1, 2)
        h = self.to_out[0](attend(self.to_q(t), self.to_k(t), self.to_v(t), 1))
        return x + h.transpose(1, 2).reshape(x.shape)


class VaeMid(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attentions = nn.ModuleList([VaeAttention(c)])
        self.resnets = nn.ModuleList([Resnet(c, c), Resnet(c, c)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class ImageVAE(nn.Module):
    """Images in [-1, 1], a side of 8 pixels per latent."""

    def __init__(self, block_out_channels, layers_per_block=1, latent_channels=4):
        super().__init__()
        ch, n, lat = block_out_channels, len(block_out_channels), latent_channels
        e = self.encoder = nn.Module()
        e.conv_in = nn.Conv2d(3, ch[0], 3, 1, 1)
        e.down_blocks = nn.ModuleList()
        c = ch[0]
        for i, o in enumerate(ch):
            b = Box(resnets=nn.ModuleList(
                Resnet(c if j == 0 else o, o) for j in range(layers_per_block)))
            c = o
            if i < n - 1:
                b.downsamplers = nn.ModuleList([Box(conv=nn.Conv2d(c, c, 3, 2, 0))])
            e.down_blocks.append(b)
        e.mid_block = VaeMid(c)
        e.conv_norm_out = GroupNorm(32, c, 1e-6)
        e.conv_out = nn.Conv2d(c, 2 * lat, 3, 1, 1)
        d = self.decoder = nn.Module()
        d.conv_in = nn.Conv2d(lat, c, 3, 1, 1)
        d.mid_block = VaeMid(c)
        d.up_blocks = nn.ModuleList()
        for i, o in enumerate(reversed(ch)):
            b = Box(resnets=nn.ModuleList(
                Resnet(c if j == 0 else o, o) for j in range(layers_per_block + 1)))
            c = o
            if i < n - 1:
                b.upsamplers = nn.ModuleList([Box(conv=nn.Conv2d(c, c, 3, 1, 1))])
            d.up_blocks.append(b)
        d.conv_norm_out = GroupNorm(32, c, 1e-6)
        d.conv_out = nn.Conv2d(c, 3, 3, 1, 1)
        self.quant_conv = nn.Conv2d(2 * lat, 2 * lat, 1)
        self.post_quant_conv = nn.Conv2d(lat, lat, 1)

    def encode(self, x):
        """-> mean, log variance"""
        e = self.encoder
        h = e.conv_in(x)
        for b in e.down_blocks:
            for r in b.resnets:
                h = r(h)
            if hasattr(b, "downsamplers"):
                h = b.downsamplers[0].conv(F.pad(h, (0, 1, 0, 1)))
        h = e.conv_out(F.silu(e.conv_norm_out(e.mid_block(h))))
        return self.quant_conv(h).chunk(2, 1)

    def decode(self, z):
        d = self.decoder
        h = d.mid_block(d.conv_in(self.post_quant_conv(z)))
        for b in d.up_blocks:
            for r in b.resnets:
                h = r(h)
            if hasattr(b, "upsamplers"):
                h = b.upsamplers[0].conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return d.conv_out(F.silu(d.conv_norm_out(h)))


# ---- sparse structure VAE (the encoder is only for training) ----

def conv3d(conv, x):
    """3x3x3 convolution as one matrix product: cuDNN's backward is slow."""
    if not x.is_cuda:
        return conv(x)
    B, C, X, Y, Z = x.shape
    p = F.pad(x.permute(0, 2, 3, 4, 1), (0, 0, 1, 1, 1, 1, 1, 1))
    w = conv.weight.permute(0, 2, 3, 4, 1).reshape(conv.weight.shape[0], -1)
    taps = [p[:, i:i + X, j:j + Y, k:k + Z]
            for i in range(3) for j in range(3) for k in range(3)]
    return F.linear(torch.cat(taps, -1), w, conv.bias).permute(0, 4, 1, 2, 3)


class ChannelNorm(LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ResBlock3d(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(c), ChannelNorm(c)
        self.conv1 = nn.Conv3d(c, c, 3, padding=1)
        self.conv2 = zero(nn.Conv3d(c, c, 3, padding=1))

    def forward(self, x):
        h = conv3d(self.conv1, F.silu(self.norm1(x)))
        return x + conv3d(self.conv2, F.silu(self.norm2(h)))


class Downsample3d(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv3d(a, b, 2, stride=2)

    def forward(self, x):
        return self.conv(x)


class Upsample3d(nn.Module):
    """Convolution and 3D pixel shuffle."""

    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv3d(a, b * 8, 3, padding=1)

    def forward(self, x):
        x = conv3d(self.conv, x)
        B, C, X, Y, Z = x.shape
        x = x.reshape(B, C // 8, 2, 2, 2, X, Y, Z).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return x.reshape(B, C // 8, 2 * X, 2 * Y, 2 * Z)


class StructureEncoder(nn.Module):
    def __init__(self, channels=(16, 32, 64), latent=8):
        super().__init__()
        self.input_layer = nn.Conv3d(1, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for i, c in enumerate(channels):
            self.blocks.append(ResBlock3d(c))
            if i < len(channels) - 1:
                self.blocks.append(Downsample3d(c, channels[i + 1]))
        self.middle_block = ResBlock3d(channels[-1])
        self.out_layer = nn.Sequential(
            ChannelNorm(channels[-1]), nn.SiLU(),
            nn.Conv3d(channels[-1], 2 * latent, 3, padding=1))

    def forward(self, x):
        """occupancy [B, 1, 32, 32, 32] -> mean, log variance [B, 8, 8, 8, 8]"""
        h = self.input_layer(x)
        for b in self.blocks:
            h = b(h)
        return self.out_layer(self.middle_block(h)).chunk(2, 1)


class StructureDecoder(nn.Module):
    def __init__(self, channels, latent_channels=8, num_res_blocks=1,
                 num_res_blocks_middle=1, out_channels=1):
        super().__init__()
        self.input_layer = nn.Conv3d(latent_channels, channels[0], 3, padding=1)
        self.middle_block = nn.Sequential(
            *[ResBlock3d(channels[0]) for _ in range(num_res_blocks_middle)])
        self.blocks = nn.ModuleList()
        for i, c in enumerate(channels):
            self.blocks.extend([ResBlock3d(c) for _ in range(num_res_blocks)])
            if i < len(channels) - 1:
                self.blocks.append(Upsample3d(c, channels[i + 1]))
        self.out_layer = nn.Sequential(
            ChannelNorm(channels[-1]), nn.SiLU(),
            nn.Conv3d(channels[-1], out_channels, 3, padding=1))

    def forward(self, z):
        h = self.middle_block(self.input_layer(z))
        for b in self.blocks:
            h = b(h)
        norm, act, conv = self.out_layer
        return conv3d(conv, act(norm(h)))


# ---- image encoders ----

class VitBlock(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = LayerNorm(c, 1e-6), LayerNorm(c, 1e-6)
        self.attn = Box(qkv=nn.Linear(c, 3 * c), proj=nn.Linear(c, c))
        self.mlp = Box(fc1=nn.Linear(c, 4 * c), fc2=nn.Linear(4 * c, c))
        self.ls1, self.ls2 = nn.Module(), nn.Module()
        self.ls1.gamma = nn.Parameter(torch.full((c,), 0.5))
        self.ls2.gamma = nn.Parameter(torch.full((c,), 0.5))

    def forward(self, x):
        q, k, v = self.attn.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.ls1.gamma * self.attn.proj(attend(q, k, v, self.heads))
        return x + self.ls2.gamma * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class DinoEncoder(nn.Module):
    """DINOv2 layout with registers; input is normalised RGB."""

    def __init__(self, embed_dim, depth, num_heads, patch_size=14, img_size=224,
                 num_register_tokens=4):
        super().__init__()
        c, self.grid = embed_dim, img_size // patch_size
        self.registers = num_register_tokens
        self.cls_token = nn.Parameter(torch.randn(1, 1, c) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + self.grid ** 2, c) * 0.1)
        self.register_tokens = nn.Parameter(torch.randn(1, num_register_tokens, c) * 0.02)
        self.mask_token = nn.Parameter(torch.zeros(1, c))
        self.patch_embed = Box(proj=nn.Conv2d(3, c, patch_size, patch_size))
        self.blocks = nn.ModuleList(VitBlock(c, num_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(c, 1e-6)

    def positions(self, g):
        if g == self.grid:
            return self.pos_embed
        m = self.pos_embed[:, 1:].float().transpose(1, 2)
        m = F.interpolate(m.reshape(1, -1, self.grid, self.grid), size=(g, g),
                          mode="bicubic", antialias=True)
        return torch.cat([self.pos_embed[:, :1], m.flatten(2).transpose(1, 2)], 1)

    def forward(self, x, taps=None):
        """-> tokens before the last norm [B, 1 + registers + g*g, C], or, with
        @taps, the normed patch tokens after those blocks, concatenated."""
        t = self.patch_embed.proj(x)
        g = t.shape[-1]
        t = t.flatten(2).transpose(1, 2)
        B = t.shape[0]
        t = torch.cat([self.cls_token.expand(B, -1, -1).to(t.dtype), t], 1) + self.positions(g)
        t = torch.cat([t[:, :1], self.register_tokens.expand(B, -1, -1).to(t.dtype),
                       t[:, 1:]], 1)
        out = []
        for i, b in enumerate(self.blocks):
            t = b(t)
            if taps and i in taps:
                out.append(self.norm(t)[:, 1 + self.registers:])
        return torch.cat(out, -1) if taps else t


class ClipLayer(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.self_attn = Box(q_proj=nn.Linear(c, c), k_proj=nn.Linear(c, c),
                             v_proj=nn.Linear(c, c), out_proj=nn.Linear(c, c))
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.mlp = Box(fc1=nn.Linear(c, 4 * c), fc2=nn.Linear(4 * c, c))

    def forward(self, x):
        a, y = self.self_attn, self.layer_norm1(x)
        x = x + a.out_proj(attend(a.q_proj(y), a.k_proj(y), a.v_proj(y), self.heads))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.layer_norm2(x))))


class ClipEncoder(nn.Module):
    def __init__(self, hidden_size, num_hidden_layers, num_attention_heads,
                 patch_size=16, image_size=96, projection_dim=64):
        super().__init__()
        c, self.image_size = hidden_size, image_size
        v = self.vision_model = nn.Module()
        v.embeddings = nn.Module()
        v.embeddings.class_embedding = nn.Parameter(torch.randn(c) * 0.02)
        v.embeddings.patch_embedding = nn.Conv2d(3, c, patch_size, patch_size, bias=False)
        v.embeddings.position_embedding = nn.Embedding((image_size // patch_size) ** 2 + 1, c)
        v.pre_layrnorm = nn.LayerNorm(c)
        v.encoder = Box(layers=nn.ModuleList(
            ClipLayer(c, num_attention_heads) for _ in range(num_hidden_layers)))
        v.post_layernorm = nn.LayerNorm(c)
        self.visual_projection = nn.Linear(c, projection_dim, bias=False)

    def forward(self, x):
        v = self.vision_model
        t = v.embeddings.patch_embedding(x).flatten(2).transpose(1, 2)
        cls = v.embeddings.class_embedding.expand(t.shape[0], 1, -1).to(t.dtype)
        t = v.pre_layrnorm(torch.cat([cls, t], 1) + v.embeddings.position_embedding.weight)
        for layer in v.encoder.layers:
            t = layer(t)
        return self.visual_projection(v.post_layernorm(t[:, 0]))


# ---- joint 2D-3D denoiser ----

class MultiViewBlock(nn.Module):
    """Joint normal/colour attention with face blending, row-wise attention over
    the body views, cross attention to the prompt, GEGLU."""

    def __init__(self, c, heads, ctx):
        super().__init__()
        self.norm1, self.norm_mv, self.norm2, self.norm3 = (
            LayerNorm(c) for _ in range(4))
        self.attn1, self.attn_mv = Attention(c, heads), Attention(c, heads)
        self.attn2 = Attention(c, heads, ctx)
        zero(self.attn_mv.to_out[0])
        self.ff = FeedForward(c)

    def forward(self, x, H, text):
        """x [2 B V, H*H, C], domain outermost, then person, then view"""
        R, N, C = x.shape
        V, q = VIEWS, H // 3
        a, y = self.attn1, self.norm1(x)

        def joint(t):
            return torch.cat(t.chunk(2, 0), 1)
        o = attend(joint(a.to_q(y)), joint(a.to_k(y)), joint(a.to_v(y)), a.heads)
        o = torch.cat(a.out(o).chunk(2, 1), 0).reshape(R // V, V, H, H, C)
        face, front = o[:, -1, 1::3, 1::3], o[:, 0]
        blend = 0.5 * front[:, :q, q:2 * q] + 0.5 * face
        top = torch.cat([front[:, :q, :q], blend, front[:, :q, 2 * q:]], 2)
        front = torch.cat([top, front[:, q:]], 1)
        x = x + torch.cat([front[:, None], o[:, 1:]], 1).reshape(R, N, C)
        x = x.reshape(R // V, V, H, H, C)
        body, a = x[:, :-1], self.attn_mv
        y = self.norm_mv(body).permute(0, 2, 1, 3, 4).reshape(-1, (V - 1) * H, C)
        o = a.out(attend(a.to_q(y), a.to_k(y), a.to_v(y), a.heads))
        o = o.reshape(R // V, H, V - 1, H, C).permute(0, 2, 1, 3, 4)
        x = torch.cat([body + o, x[:, -1:]], 1).reshape(R, N, C)
        a = self.attn2
        x = x + a.out(attend(a.to_q(self.norm2(x)), a.to_k(text), a.to_v(text), a.heads))
        return x + self.ff(self.norm3(x))


class Transformer2d(nn.Module):
    def __init__(self, c, heads, ctx):
        super().__init__()
        self.norm = GroupNorm(32, c, 1e-6)
        self.proj_in, self.proj_out = nn.Linear(c, c), nn.Linear(c, c)
        self.transformer_blocks = nn.ModuleList([MultiViewBlock(c, heads, ctx)])

    def forward(self, x, text):
        y = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        y = self.transformer_blocks[0](y, x.shape[-1], text)
        return x + self.proj_out(y).transpose(1, 2).reshape(x.shape)


def few_keys(q, k, v):
    """Attention of one query to a handful of keys. q [M, 1, h, d], k, v [M, n, h, d]"""
    w = ((q * k).sum(-1, keepdim=True).float() * k.shape[-1] ** -0.5).softmax(1)
    return (w.to(v.dtype) * v).sum(1).flatten(1)


class SyncStructure(nn.Module):
    """Each voxel looks at the four pixels of the normal views that it meets."""

    def __init__(self, cm, c3, heads, res):
        super().__init__()
        self.heads, self.res = heads, res
        self.normStructure1 = LayerNorm(c3, 1e-6)
        self.normStructure2 = LayerNorm(c3, 1e-6)
        self.imagedownsample = Box(conv=nn.Sequential(
            GroupNorm(32, cm), nn.Conv2d(cm, cm, 3, 1, 1), nn.GELU()))
        self.input_layer_mv = nn.Linear(cm, cm)
        self.input_layer_stucture = nn.Linear(c3, c3)
        self.output_layer_stucture = zero(nn.Linear(c3, c3))
        self.ffn_stucture = FeedForward(c3)
        self.cross_attn_MV_to_Structure = Attention(c3, heads, cm, c3)

    def forward(self, mv, h):
        r, a = self.res, self.cross_attn_MV_to_Structure
        m = mv.chunk(2, 0)[0]
        m = m.reshape(-1, VIEWS, *m.shape[1:])[:, :4]
        B = m.shape[0]
        m = self.input_layer_mv(m.flatten(0, 1).movedim(1, -1)).movedim(-1, 1)
        m = F.adaptive_avg_pool2d(self.imagedownsample.conv(m), r).permute(0, 2, 3, 1)

        def rays(t):
            """[B*4, row, col, C] -> the four pixels of each voxel"""
            t = t.reshape(B, 4, r, r, -1).flip(2).transpose(2, 3)  # view, col, z
            front = [t[:, v][:, :, None].expand(B, r, r, r, -1) for v in (0, 2)]
            side = [t[:, v][:, None].expand(B, r, r, r, -1) for v in (1, 3)]
            return torch.stack(front + side, 4).reshape(B * r ** 3, 4, self.heads, -1)
        p = self.input_layer_stucture(h)
        q = a.to_q(self.normStructure1(p)).reshape(B * r ** 3, 1, self.heads, -1)
        o = few_keys(q, rays(a.to_k(m)), rays(a.to_v(m)))
        p = p + a.out(o.reshape(p.shape))
        p = p + self.ffn_stucture(self.normStructure2(p))
        return h + self.output_layer_stucture(p)


class SyncViews(nn.Module):
    """Each pixel of the body views looks along its ray through the voxels."""

    def __init__(self, cm, c3, heads, res, side):
        super().__init__()
        self.heads, self.res, self.side = heads, res, side
        self.voxeldownsample = Box(conv=nn.Sequential(
            GroupNorm(32, c3), nn.Conv3d(c3, c3, 3, 1, 1), nn.GELU()))
        self.input_layer_mv = nn.Linear(cm, cm)
        self.input_layer_stucture = nn.Linear(c3, c3)
        self.output_layer_no = zero(nn.Linear(cm, cm))
        self.output_layer_clr = zero(nn.Linear(cm, cm))
        self.ffn_no, self.ffn_clr = FeedForward(cm), FeedForward(cm)
        self.cross_attn_Structure_to_color = Attention(cm, heads, c3, c3)
        self.cross_attn_Structure_to_normal = Attention(cm, heads, c3, c3)

    def forward(self, mv, h):
        B, S, r, V = h.shape[0], self.side, self.res, VIEWS
        norm, conv, gelu = self.voxeldownsample.conv
        g = self.input_layer_stucture(h).transpose(1, 2).reshape(B, -1, r, r, r)
        g = F.adaptive_avg_pool3d(gelu(conv3d(conv, norm(g))), S).permute(0, 2, 3, 4, 1)
        m = self.input_layer_mv(mv.movedim(1, -1))

        def rays(t):
            """[B, x, y, z, C] -> S voxels for each pixel of four views"""
            t = t.flip(3)
            front = t.permute(0, 3, 1, 2, 4)
            side = t.permute(0, 3, 2, 1, 4)
            t = torch.stack([front, side, front, side], 1)
            return t.reshape(B * 4 * S * S, S, self.heads, -1)
        out = []
        for domain, (a, ffn, last) in enumerate((
                (self.cross_attn_Structure_to_normal, self.ffn_no, self.output_layer_no),
                (self.cross_attn_Structure_to_color, self.ffn_clr, self.output_layer_clr))):
            q = m.chunk(2, 0)[domain].reshape(B, V, S, S, -1)[:, :4]
            qq = a.to_q(plain_norm(q)).reshape(B * 4 * S * S, 1, self.heads, -1)
            q = q + a.out(few_keys(qq, rays(a.to_k(g)), rays(a.to_v(g)))).reshape(q.shape)
            q = last(q + ffn(plain_norm(q)))
            out.append(F.pad(q, (0, 0, 0, 0, 0, 0, 0, 1)).flatten(0, 1))
        return mv + torch.cat(out, 0).movedim(-1, 1)


class JointDenoiser(nn.Module):
    def __init__(self, sample_size=24, block_out_channels=(64, 96, 96), layers_per_block=1,
                 attention_head_dim=(1, 2, 2), cross_attention_dim=32,
                 projection_class_embeddings_input_dim=128, latent=4, resolution=8,
                 trellis_in_channels=8, model_channels=128, num_heads=2, num_blocks=6,
                 cond_channels=192, mlp_ratio=4):
        super().__init__()
        ch, heads, L = block_out_channels, attention_head_dim, layers_per_block
        n = len(ch)
        self.levels, self.res, self.third = n, resolution, num_blocks // 3
        E, c3, ctx = 4 * ch[0], model_channels, cross_attention_dim
        self.conv_in = nn.Conv2d(2 * latent, ch[0], 3, 1, 1)
        self.time_embedding = Box(linear_1=nn.Linear(ch[0], E), linear_2=nn.Linear(E, E))
        self.class_embedding = Box(
            linear_1=nn.Linear(projection_class_embeddings_input_dim, E),
            linear_2=nn.Linear(E, E))
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        c, skips = ch[0], [ch[0]]
        for i, o in enumerate(ch):
            b = Box(resnets=nn.ModuleList(
                Resnet(c if j == 0 else o, o, E, 1e-5) for j in range(L)))
            c = o
            skips += [c] * L
            if i < n - 1:
                b.attentions = nn.ModuleList(
                    Transformer2d(c, heads[i], ctx) for _ in range(L))
                b.downsamplers = nn.ModuleList([Box(conv=nn.Conv2d(c, c, 3, 2, 1))])
                skips.append(c)
            self.down_blocks.append(b)
        self.mid_block = Box(
            resnets=nn.ModuleList([Resnet(c, c, E, 1e-5), Resnet(c, c, E, 1e-5)]),
            attentions=nn.ModuleList([Transformer2d(c, heads[-1], ctx)]))
        for i, o in enumerate(reversed(ch)):
            resnets = []
            for _ in range(L + 1):
                resnets.append(Resnet(c + skips.pop(), o, E, 1e-5))
                c = o
            b = Box(resnets=nn.ModuleList(resnets))
            if i > 0:
                b.attentions = nn.ModuleList(
                    Transformer2d(o, heads[n - 1 - i], ctx) for _ in range(L + 1))
            if i < n - 1:
                b.upsamplers = nn.ModuleList([Box(conv=nn.Conv2d(o, o, 3, 1, 1))])
            self.up_blocks.append(b)
        self.conv_norm_out = GroupNorm(32, ch[0], 1e-5)
        self.conv_out = zero(nn.Conv2d(ch[0], latent, 3, 1, 1))
        self.t_embedder = Box(mlp=nn.Sequential(
            nn.Linear(256, c3), nn.SiLU(), nn.Linear(c3, c3)))
        k = torch.arange(resolution)
        grid = torch.stack(torch.meshgrid(k, k, k, indexing="ij"), -1).reshape(-1, 3)
        self.register_buffer("pos_emb", position_embedding(grid, c3))
        self.input_layer = nn.Linear(trellis_in_channels, c3)
        self.blocks = nn.ModuleList(ModulatedBlock(c3, cond_channels, num_heads, mlp_ratio)
                                    for _ in range(num_blocks))
        self.out_layer = zero(nn.Linear(c3, trellis_in_channels))
        side = sample_size >> (n - 1)
        self.dual_CrossAttblocks_SS = nn.ModuleList(
            SyncStructure(ch[k], c3, num_heads, resolution) for k in (n - 3, n - 1))
        self.dual_CrossAttblocks_MV = nn.ModuleList(
            SyncViews(ch[k], c3, num_heads, resolution, side) for k in (n - 2, n - 1))

    def embed(self, t, label):
        te, ce = self.time_embedding, self.class_embedding
        e = timestep_embedding(1000 * t, te.linear_1.in_features)
        e = te.linear_2(F.silu(te.linear_1(e)))
        e = e[None, :, None].expand(2, -1, VIEWS, -1).reshape(-1, e.shape[-1])
        return e + ce.linear_2(F.silu(ce.linear_1(label)))

    def forward(self, x2, t, text, label, x3, cond):
        """x2 [2 B V, 8, L, L]; t [B] in 0..1; text [2 B V, T, ctx]; label
        [2 B V, P]; x3 [B, 8, r, r, r]; cond [B, N, K] -> velocities"""
        n, k = self.levels, self.third
        sync3, sync2 = self.dual_CrossAttblocks_SS, self.dual_CrossAttblocks_MV
        e = self.embed(t, label)
        x = self.conv_in(x2)
        h = self.input_layer(x3.flatten(2).transpose(1, 2)) + self.pos_emb
        t3 = self.t_embedder.mlp(timestep_embedding(1000 * t, 256))
        for b in self.blocks[:k]:
            h = b(h, t3, cond)
        skips = [x]
        for i, b in enumerate(self.down_blocks):
            for j, resnet in enumerate(b.resnets):
                x = resnet(x, e)
                if hasattr(b, "attentions"):
                    x = b.attentions[j](x, text)
                skips.append(x)
            if hasattr(b, "downsamplers"):
                x = b.downsamplers[0].conv(x)
                skips.append(x)
            if i == n - 3:
                h = sync3[0](x, h)
            if i == n - 2:
                x = sync2[0](x, h)
        m = self.mid_block
        x = m.resnets[1](m.attentions[0](m.resnets[0](x, e), text), e)
        for b in self.blocks[k:2 * k]:
            h = b(h, t3, cond)
        x = sync2[1](x, h)
        for i, b in enumerate(self.up_blocks):
            if i == 1:
                h = sync3[1](x, h)
            for j, resnet in enumerate(b.resnets):
                x = resnet(torch.cat([x, skips.pop()], 1), e)
                if hasattr(b, "attentions"):
                    x = b.attentions[j](x, text)
            if hasattr(b, "upsamplers"):
                x = b.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        for b in self.blocks[2 * k:]:
            h = b(h, t3, cond)
        h = self.out_layer(plain_norm(h.float(), 1e-5)).transpose(1, 2).reshape(x3.shape)
        return self.conv_out(F.silu(self.conv_norm_out(x))), h


class Conditioner(nn.Module):
    """What is trained beside the denoiser: image encoders, prompt embeddings,
    and auxiliary heads (occupancy, front normals) that are dropped later."""

    def __init__(self, dino, clip, prompt_tokens, cross_attention_dim, res=32):
        super().__init__()
        self.dino, self.clip, self.res = DinoEncoder(**dino), ClipEncoder(**clip), res
        self.prompt = nn.Parameter(torch.randn(2, VIEWS, prompt_tokens, cross_attention_dim))
        self.occupancy_head = nn.Linear(dino["embed_dim"], 4 * res)
        self.normal_head = nn.Linear(dino["embed_dim"], 6 * 16)
        mean, std = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("std", std[:, None, None], persistent=False)

    def condition_image(self, rgb, alpha):
        """Photo on white and alpha [B, ., S, S], tight -> 224 px, black, margin 1.2"""
        side = self.dino.grid * 14
        k = round(side / 1.2)
        x = F.interpolate(rgb - (1 - alpha), size=(k, k), mode="bilinear", antialias=True)
        p = (side - k) // 2
        x = F.pad(x.clamp(0, 1), (p, side - k - p, p, side - k - p))
        return (x - self.mean) / self.std

    def tokens(self, rgb, alpha):
        """-> DINO tokens, normalised without affine [B, N, C]"""
        return plain_norm(self.dino(self.condition_image(rgb, alpha)).float(), 1e-5)

    def labels(self, rgb, face):
        """-> class labels of body and face [B, 2 projection_dim]: embedding, ones, zeros"""
        r = self.clip.image_size
        x = torch.cat([F.interpolate(y, size=(r, r), mode="bilinear", antialias=True)
                       for y in (rgb, face)])
        c = self.clip(x * 2 - 1).float()
        half = c.shape[1] // 2
        c = torch.cat([c, c.new_ones(len(c), half), c.new_zeros(len(c), half)], 1)
        return c.chunk(2, 0)

    def dense(self, y, k):
        """[B, C k k, g, g] patches of the condition image -> [B, C, res, res] of the view"""
        q = (torch.arange(self.res, device=y.device) + 0.5) / self.res * 2 - 1
        grid = torch.stack(torch.meshgrid(q, q, indexing="ij")[::-1], -1) / 1.2
        return F.grid_sample(y.float(), grid[None].expand(len(y), -1, -1, -1),
                             align_corners=False)

    def occupancy(self, tokens):
        """-> logits [B, x, y, z]"""
        g, R = self.dino.grid, self.res
        y = self.occupancy_head(tokens[:, 1 + self.dino.registers:])
        y = y.reshape(-1, g, g, 2, 2, R).permute(0, 5, 1, 3, 2, 4).reshape(-1, R, 2 * g, 2 * g)
        return self.dense(y, 2).permute(0, 3, 1, 2).flip(3)

    def normals(self, tokens):
        """-> front and back normals [B, 6, 64, 64] of the condition image"""
        g = self.dino.grid
        y = self.normal_head(tokens[:, 1 + self.dino.registers:])
        y = y.reshape(-1, g, g, 4, 4, 6).permute(0, 5, 1, 3, 2, 4)
        return y.reshape(-1, 6, 4 * g, 4 * g)
