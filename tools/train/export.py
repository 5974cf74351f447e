# SPDX-License-Identifier: MIT
"""Writes the mini checkpoint: official folder layout, fp16 safetensors, JSON.

    python3 export.py --weights DIR --out examples/models/mini
    python3 export.py --random --out /tmp/mini-random      (layout only)

DIR holds NAME.pt of every network of sizes.py and numbers.json (scaling
factors), as the training programs leave them."""
import argparse
import json
import os
import struct

import torch

import sizes

OFFICIAL = "SyncHuman.models.OneStage."
RANDOM = False  # networks that have no file become random


def write_safetensors(path, tensors):
    """fp16, rows contiguous, names sorted, data aligned to 64 bytes."""
    header, blobs, at = {}, [], 0
    for name in sorted(tensors):
        t = tensors[name].detach().half().contiguous().cpu()
        blob = t.numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(t.shape),
                        "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_json(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(data, f, indent=2)
        f.write("\n")


def fold_point_convs(state):
    """A 1x1x1 sparse convolution is stored as [out, 1, 1, 1, in], but the
    reference uses that buffer as a row-major [in, out] matrix: write the
    transposed buffer under the untransposed shape."""
    out = {}
    for name, t in state.items():
        if name.endswith("skip_connection.conv.weight"):
            o, i = t.shape
            t = t.t().contiguous().reshape(o, 1, 1, 1, i)
        out[name] = t
    return out


def network(folder, name, scale=1.0):
    """State dict of a network, from its file or (--random) random. Networks
    start with zeros in places; random ones get noise there instead."""
    net = sizes.make(name)
    path = os.path.join(folder, name + ".pt")
    if os.path.exists(path) or not RANDOM:
        saved = torch.load(path, map_location="cpu")
        net.load_state_dict({k: v.float() if v.is_floating_point() else v
                             for k, v in saved.items()})
    else:
        for p in net.parameters():
            if not p.any():
                torch.nn.init.normal_(p, std=0.02 * scale)
    return net.state_dict()


def export_stage1(folder, out, numbers):
    one = os.path.join(out, "OneStage")
    joint = dict(sizes.JOINT)
    n = len(joint["block_out_channels"])
    write_json(os.path.join(one, "pipeline_config.json"), {
        "num_views": 5,
        "view_size": sizes.VIEW,
        "condition_size": sizes.CONDITION,
        "steps": sizes.STEPS,
        "guidance": sizes.GUIDANCE,
        "rescale_t": sizes.RESCALE,
        "metadata": {
            "feature_extractor": {
                "class": "transformers.models.clip.image_processing_clip.CLIPImageProcessor",
                "subdir": "feature_extractor"},
            "image_encoder": {
                "class": "transformers.models.clip.modeling_clip.CLIPVisionModelWithProjection",
                "subdir": "image_encoder"},
            "SyncHuman_2D3DCrossSpaceDiffusion": {
                "class": OFFICIAL + "SyncHuman_2D3DCrossSpaceDiffusion."
                                    "SyncHuman_2D3DCrossSpaceDiffusion",
                "subdir": "SyncHuman_2D3DCrossSpaceDiffusion"},
            "vae": {
                "class": "diffusers.models.autoencoders.autoencoder_kl.AutoencoderKL",
                "subdir": "vae"},
            "sparse_structure_decoder": {
                "class": OFFICIAL + "sparse_structure_vae.SparseStructureDecoder",
                "subdir": "sparse_structure_decoder"},
            "dinov2": {"class": "dinov2.models.vision_transformer.DinoVisionTransformer",
                       "subdir": "dinov2"},
            "prompt_embeds": {"class": "tensors", "subdir": "prompt_embeds"},
            "matting": {"class": "U2NETP", "subdir": "matting"}}})
    joint.update(
        _class_name="SyncHuman_2D3DCrossSpaceDiffusion", act_fn="silu",
        addition_downsample=False, addition_embed_type=None, cd_attention_last=False,
        cd_attention_mid=False, center_input_sample=False, class_embed_type="projection",
        class_embeddings_concat=False, conv_in_kernel=3, conv_out_kernel=3,
        cross_attention_norm=None, downsample_padding=1, dual_cross_attention=False,
        encoder_hid_dim=None, encoder_hid_dim_type=None, flip_sin_to_cos=True, freq_shift=0,
        in_channels=8, out_channels=4, mid_block_scale_factor=1,
        mid_block_type="UNetMidBlockMV2DCrossAttn", multiview_attention=True,
        mvcd_attention=True, norm_eps=1e-5, norm_num_groups=32, num_dual_CrossAttblocks=2,
        num_head_channels=joint["model_channels"] // joint["num_heads"], num_views=5,
        only_cross_attention=False, patch_size=1, pe_mode="ape", qk_rms_norm=True,
        qk_rms_norm_cross=False, resnet_out_scale_factor=1.0, resnet_skip_time_act=False,
        resnet_time_scale_shift="default", selfattn_block="self_rowwise", share_mod=False,
        sparse_mv_attention=True, time_embedding_type="positional",
        transformer_layers_per_block=1, trellis_out_channels=joint["trellis_in_channels"],
        upcast_attention=True, use_dino=False, use_fp16=True, use_linear_projection=True,
        down_block_types=["CrossAttnDownBlockMV2D"] * (n - 1) + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlockMV2D"] * (n - 1))
    sub = os.path.join(one, "SyncHuman_2D3DCrossSpaceDiffusion")
    write_json(os.path.join(sub, "config.json"), joint)
    write_safetensors(os.path.join(sub, "diffusion_pytorch_model.safetensors"),
                      network(folder, "joint"))
    sub = os.path.join(one, "vae")
    levels = len(sizes.VAE["block_out_channels"])
    write_json(os.path.join(sub, "config.json"), dict(
        sizes.VAE, _class_name="AutoencoderKL", act_fn="silu", in_channels=3, out_channels=3,
        norm_num_groups=32, sample_size=sizes.VIEW, scaling_factor=numbers["vae_scaling"],
        shift_factor=None, use_quant_conv=True, use_post_quant_conv=True,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels))
    write_safetensors(os.path.join(sub, "diffusion_pytorch_model.safetensors"),
                      network(folder, "vae"))
    cond = network(folder, "conditioner")

    def part(prefix):
        return {k[len(prefix):]: v for k, v in cond.items() if k.startswith(prefix)}
    sub = os.path.join(one, "image_encoder")
    write_json(os.path.join(sub, "config.json"), dict(
        sizes.CLIP, architectures=["CLIPVisionModelWithProjection"], hidden_act="gelu",
        intermediate_size=4 * sizes.CLIP["hidden_size"], layer_norm_eps=1e-5,
        model_type="clip_vision_model", num_channels=3, torch_dtype="float16"))
    write_safetensors(os.path.join(sub, "model.safetensors"), part("clip."))
    side = sizes.CLIP["image_size"]
    write_json(os.path.join(one, "feature_extractor", "preprocessor_config.json"), {
        "crop_size": {"height": side, "width": side}, "do_center_crop": True,
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "CLIPImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "resample": 3, "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": side}})
    sub = os.path.join(one, "dinov2")
    write_json(os.path.join(sub, "config.json"), dict(
        sizes.DINO, _class_name="DinoVisionTransformer", mlp_ratio=4,
        interpolate_antialias=True, interpolate_offset=0.0, taps=sizes.TAPS))
    write_safetensors(os.path.join(sub, "model.safetensors"), part("dino."))
    sub = os.path.join(one, "prompt_embeds")
    write_safetensors(os.path.join(sub, "model.safetensors"), {
        "normal_embeds": cond["prompt"][0], "clr_embeds": cond["prompt"][1]})
    sub = os.path.join(one, "sparse_structure_decoder")
    write_json(os.path.join(sub, "config.json"), {
        "name": "SparseStructureDecoder", "args": dict(sizes.STRUCTURE, use_fp16=True)})
    state = network(folder, "structure_decoder")
    # The latent is scaled to unit variance for the denoiser; the decoder has
    # no scale of its own, so it goes into the first layer.
    state["input_layer.weight"] = state["input_layer.weight"] / numbers["structure_scaling"]
    write_safetensors(os.path.join(sub, "model.safetensors"), state)
    sub = os.path.join(one, "matting")
    write_json(os.path.join(sub, "config.json"), {
        "_class_name": "U2NETP", "in_channels": 3, "out_channels": 1,
        "mid_channels": sizes.MATTING["mid"], "stage_channels": sizes.MATTING["out"],
        "sample_size": sizes.MATTING["size"], "test_time_augmentation": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})
    state = network(folder, "matting")
    write_safetensors(os.path.join(sub, "model.safetensors"), {
        k: v for k, v in state.items() if not k.endswith("num_batches_tracked")})


def decoder_args(args, extra):
    args = {k: v for k, v in args.items() if k not in ("feat", "num_gaussians")}
    return dict(args, resolution=sizes.VOXELS, attn_mode="swin", window_size=8, use_fp16=True,
                mv_condition_mode="4_view", use_multiscale=True, use_faceinfo=False,
                representation_config=extra)


def export_stage2(folder, out, numbers):
    two = os.path.join(out, "SecondStage")
    write_json(os.path.join(two, "pipeline.json"), {
        "name": "SyncHumanTwoStagePipeline",
        "args": {
            "models": {"slat_decoder_gs": "ckpts/decoder_GS",
                       "slat_decoder_mesh": "ckpts/decoder_Mesh",
                       "slat_flow_model": "ckpts/slat_flow"},
            "slat_sampler": {
                "name": "FlowEulerGuidanceIntervalSampler", "args": {"sigma_min": 1e-5},
                "params": {"steps": sizes.SLAT_STEPS, "cfg_strength": sizes.SLAT_STRENGTH,
                           "cfg_interval": [0.5, 1.0], "rescale_t": 3.0}},
            "slat_normalization": {"mean": numbers["slat_mean"],
                                   "std": [v * sizes.SLAT_SHRINK for v in numbers["slat_std"]]},
            "image_cond_model": "dinov2",
            "dino_taps": sizes.TAPS}})
    sub = os.path.join(two, "ckpts")
    write_json(os.path.join(sub, "slat_flow", "config.json"), {
        "name": "SLatFlowModel",
        "args": dict(sizes.FLOW, resolution=sizes.VOXELS, patch_size=2, num_io_res_blocks=2,
                     pe_mode="ape", qk_rms_norm=True, use_fp16=True)})
    write_safetensors(os.path.join(sub, "slat_flow", "model.safetensors"),
                      network(folder, "flow"))
    write_json(os.path.join(sub, "decoder_Mesh", "config.json"), {
        "name": "SLatMeshDecoder", "args": decoder_args(sizes.MESH, {"use_color": True})})
    write_safetensors(os.path.join(sub, "decoder_Mesh", "model.safetensors"),
                      fold_point_convs(network(folder, "mesh")))
    write_json(os.path.join(sub, "decoder_GS", "config.json"), {
        "name": "SLatGaussianDecoder",
        "args": decoder_args(sizes.GAUSSIAN, {
            "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0,
                   "_rotation": 0.1},
            "perturb_offset": True, "voxel_size": 1.5,
            "num_gaussians": sizes.GAUSSIAN["num_gaussians"], "2d_filter_kernel_size": 0.1,
            "3d_filter_kernel_size": 9e-4, "scaling_bias": 4e-3, "opacity_bias": 0.1,
            "scaling_activation": "softplus"})})
    write_safetensors(os.path.join(sub, "decoder_GS", "model.safetensors"),
                      network(folder, "gaussian"))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--weights", default="", help="folder of the trained networks")
    p.add_argument("--random", action="store_true",
                   help="networks without a file become random, for layout tests")
    p.add_argument("--out", required=True)
    a = p.parse_args()
    global RANDOM
    RANDOM = a.random
    numbers = {"vae_scaling": 0.8, "structure_scaling": 1.0, "slat_mean": [0.0] * 8,
               "slat_std": [1.0] * 8}
    torch.manual_seed(1)
    if a.weights:
        with open(os.path.join(a.weights, "numbers.json")) as f:
            numbers.update(json.load(f))
    export_stage1(a.weights, a.out, numbers)
    export_stage2(a.weights, a.out, numbers)
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(a.out) for f in fs)
    print(f"{a.out}: {total} bytes")


if __name__ == "__main__":
    main()
