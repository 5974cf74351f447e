# SPDX-License-Identifier: MIT
"""Sizes of the mini checkpoint, in one place, and the networks made from them."""
from matting import U2Net
from stage1 import (Conditioner, ImageVAE, JointDenoiser, StructureDecoder,
                    StructureEncoder)
from stage2 import GaussianDecoder, MeshDecoder, SLatEncoder, SLatFlow

VIEW = 192           # pixels of a view; the latent side is VIEW / 8
CONDITION = 224      # pixels of the condition image
VOXELS = 32          # voxels per side
TAPS = [1, 2, 3, 4]  # DINO blocks whose tokens Stage 2 sees
STEPS, GUIDANCE, RESCALE = 1, 1.0, 3.0
# The flow knows little of what is finer than a voxel. A sample at full variance
# makes rough meshes; few steps give nearly the mean, and a smaller standard
# deviation in pipeline.json draws it in further.
SLAT_STEPS, SLAT_STRENGTH, SLAT_SHRINK = 2, 0.0, 0.3

VAE = dict(block_out_channels=[32, 64, 64, 64], layers_per_block=1, latent_channels=4)
STRUCTURE = dict(channels=[40, 16, 16], latent_channels=8, num_res_blocks=1,
                 num_res_blocks_middle=1, out_channels=1)
DINO = dict(embed_dim=192, depth=5, num_heads=3, patch_size=14, img_size=CONDITION,
            num_register_tokens=4)
CLIP = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=1, patch_size=16,
            image_size=96, projection_dim=64)
PROMPT = dict(prompt_tokens=4, cross_attention_dim=32)
JOINT = dict(sample_size=VIEW // 8, block_out_channels=[64, 96, 64], layers_per_block=1,
             attention_head_dim=[1, 2, 1], cross_attention_dim=32,
             projection_class_embeddings_input_dim=128, resolution=8,
             trellis_in_channels=8, model_channels=128, num_heads=2, num_blocks=6,
             cond_channels=192, mlp_ratio=2)
MESH = dict(latent_channels=8, model_channels=256, num_blocks=1, num_heads=4, mlp_ratio=2,
            feat=768, mv_dim=16)
GAUSSIAN = dict(latent_channels=8, model_channels=96, num_blocks=2, num_heads=2,
                mlp_ratio=1, feat=768, mv_dim=16, num_gaussians=8)
FLOW = dict(in_channels=8, model_channels=96, cond_channels=192, num_blocks=3, num_heads=2,
            mlp_ratio=2, io_block_channels=[32], out_channels=8)
MATTING = dict(mid=16, out=32, size=320)


def make(name):
    """A network by name: the names of the weight files."""
    return {
        "vae": lambda: ImageVAE(**VAE),
        "structure_encoder": StructureEncoder,
        "structure_decoder": lambda: StructureDecoder(**STRUCTURE),
        "conditioner": lambda: Conditioner(DINO, CLIP, **PROMPT),
        "joint": lambda: JointDenoiser(**JOINT),
        "slat_encoder": SLatEncoder,
        "mesh": lambda: MeshDecoder(**MESH),
        "gaussian": lambda: GaussianDecoder(**GAUSSIAN),
        "flow": lambda: SLatFlow(**FLOW),
        "matting": lambda: U2Net(**MATTING),
    }[name]()
