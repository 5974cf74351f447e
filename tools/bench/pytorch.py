# SPDX-License-Identifier: MIT
"""Times the official PyTorch modules of Stage 1 at the official sizes.

usage: python3 - PATH PART... < pytorch.py

PATH is a copy of the official repository; the modules want torch, diffusers
0.29, transformers and einops.  Weights are random.  As the official pipeline
has it: modules in float16 under autocast.  Attention is torch's own
scaled_dot_product_attention, which is no slower than xformers and flash-attn
and need not be installed; spconv is not needed by these parts.

Prints a line for each part: its name and the median and shortest time of a run
in ms, or its name, a dash and why there is none."""
import importlib.machinery
import os
import sys
import time
import types

WARM_UP, RUNS = 3, 10

JOINT = dict(
    sample_size=96, in_channels=8, out_channels=4, layers_per_block=2,
    block_out_channels=(320, 640, 1280, 1280), attention_head_dim=(5, 10, 20, 20),
    down_block_types=('CrossAttnDownBlockMV2D',) * 3 + ('DownBlock2D',),
    up_block_types=('UpBlock2D',) + ('CrossAttnUpBlockMV2D',) * 3,
    mid_block_type='UNetMidBlockMV2DCrossAttn', cross_attention_dim=1024,
    use_linear_projection=True, class_embed_type='projection',
    projection_class_embeddings_input_dim=2048, num_views=5,
    selfattn_block='self_rowwise', mvcd_attention=True, multiview_attention=True,
    resolution=16, trellis_in_channels=8, trellis_out_channels=8,
    model_channels=1024, cond_channels=1024, num_blocks=24, num_heads=16,
    num_head_channels=64, mlp_ratio=4, patch_size=1, qk_rms_norm=True,
    upcast_attention=True, use_fp16=True)
VAE = dict(
    in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2,
    block_out_channels=(128, 256, 512, 512), norm_num_groups=32,
    down_block_types=('DownEncoderBlock2D',) * 4,
    up_block_types=('UpDecoderBlock2D',) * 4)
CLIP = dict(
    hidden_size=1280, intermediate_size=5120, num_hidden_layers=32,
    num_attention_heads=16, patch_size=14, image_size=224, projection_dim=1024,
    hidden_act='gelu')
DINO = dict(
    hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
    patch_size=14, image_size=518, num_register_tokens=4)
STRUCTURE = dict(
    out_channels=1, latent_channels=8, num_res_blocks=2,
    num_res_blocks_middle=2, channels=[512, 128, 32], use_fp16=True)


def attention(q, k, v, attn_bias=None, p=0.0, scale=None, op=None):
  """xformers.ops.memory_efficient_attention"""
  def heads_first(t):
    return t[:, None] if t.dim() == 3 else t.transpose(1, 2)
  y = torch.nn.functional.scaled_dot_product_attention(
      heads_first(q), heads_first(k), heads_first(v), attn_mask=attn_bias, scale=scale)
  return y[:, 0] if q.dim() == 3 else y.transpose(1, 2)


def stand_in(package, module, **contents):
  """package.module, with these contents, for whoever imports it from here on"""
  for name in package, package + '.' + module:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
  vars(sys.modules[name]).update(contents)
  setattr(sys.modules[package], module, sys.modules[name])


def random(*shape):
  return torch.randn(shape, device='cuda', dtype=torch.float16)


def half(module):
  return module.to('cuda', torch.float16).eval()


def make_joint():
  import diffusers.utils.import_utils as available  # before it could take the stand-in for the real one
  stand_in('xformers', 'ops', memory_efficient_attention=attention)
  available._xformers_available = True
  from SyncHuman.models.OneStage.SyncHuman_2D3DCrossSpaceDiffusion import SyncHuman_2D3DCrossSpaceDiffusion
  from SyncHuman.models.OneStage.attn_2D3D_sync import CrossAttention
  from SyncHuman.models.OneStage.attn_processors import IPCDAttention, RowwiseMVAttention
  net = half(SyncHuman_2D3DCrossSpaceDiffusion(**JOINT))
  net.register_to_config(center_input_sample=False)  # of the configuration file alone
  for module in net.modules():
    if isinstance(module, (CrossAttention, IPCDAttention, RowwiseMVAttention)):
      module.set_use_memory_efficient_attention_xformers(True)
  inputs = dict(
      encoder_hidden_states=random(20, 77, 1024), class_labels=random(20, 2048),
      trellis_x=random(2, 8, 16, 16, 16), trellis_t=torch.full((1,), 513.0, device='cuda', dtype=torch.float16),
      trellis_cond=random(2, 1374, 1024), return_dict=False)
  sample = random(20, 8, 96, 96)
  return lambda: net(sample, 513.15789, **inputs)


def make_vae():
  from diffusers import AutoencoderKL
  return half(AutoencoderKL(**VAE))


def make_vae_encode():
  vae, image = make_vae(), random(1, 3, 768, 768)
  return lambda: vae.encode(image)


def make_vae_decode():
  vae, latent = make_vae(), random(1, 4, 96, 96)
  return lambda: vae.decode(latent)


def make_clip():
  from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
  net, image = half(CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))), random(1, 3, 224, 224)
  return lambda: net(image)


def make_dino():
  from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel
  net, image = half(Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**DINO))), random(1, 3, 518, 518)
  return lambda: net(image)


def make_structure():
  from SyncHuman.models.OneStage.sparse_structure_vae import SparseStructureDecoder
  net, latent = SparseStructureDecoder(**STRUCTURE).to('cuda').eval(), random(1, 8, 16, 16, 16)
  return lambda: net(latent)


PARTS = {'clip': make_clip, 'vae-encode': make_vae_encode, 'dino': make_dino, 'joint': make_joint,
         'ss-decoder': make_structure, 'vae-decode': make_vae_decode}


def measure(run):
  times = []
  for _ in range(WARM_UP + RUNS):
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    times.append(1e3 * (time.perf_counter() - start))
  times = sorted(times[WARM_UP:])
  return times[len(times) // 2], times[0]


def main():
  for part in sys.argv[2:]:
    if part not in PARTS:
      continue
    try:
      with torch.device('cuda'), torch.no_grad(), torch.autocast('cuda', torch.float16):
        print(part, '%.4f %.4f' % measure(PARTS[part]()), file=out, flush=True)
    except Exception as e:
      print(part, '-', type(e).__name__ + ':', ' '.join(str(e).split())[:300], file=out, flush=True)
    torch.cuda.empty_cache()


# what the modules print goes elsewhere
out, sys.stdout = sys.stdout, sys.stderr
if not os.path.isdir(os.path.join(sys.argv[1], 'SyncHuman', 'models')):
  sys.exit('%s: not the official repository (there is no SyncHuman/models in it)' % sys.argv[1])
try:
  import torch
except ImportError as e:
  sys.exit('PyTorch is not there: %s' % e)
if not torch.cuda.is_available():
  sys.exit('PyTorch sees no GPU')
sys.path.insert(0, sys.argv[1])
os.environ['ATTN_BACKEND'] = 'sdpa'
stand_in('spconv', 'pytorch', SparseConvTensor=object)  # imported, but not called by these parts
main()
