/* SPDX-License-Identifier: MIT */
/* Names of models that are no folders, and the configurations behind them:
 * "synthetic:SEED" (the official sizes) and
 * "synthetic-tiny:SEED" (the smallest that the rules allow: three levels of the
 * UNet on a latent side of 12, voxels at 16^3). */
#include "stages/model_private.h"
#include "base/error.h"
#include <string.h>

/* ---- names ---- */

/* As many as a clothed person has at the official resolution. */
enum { USUAL_VOXELS = 6000 };

gboolean
shu_synthetic_parse (const char *text, ShuSynthetic *ret, GError **error)
{
  ShuSynthetic s = {.tiny = text && g_str_has_prefix (text, "synthetic-tiny:")};
  g_auto (GStrv) parts = NULL;
  guint64 voxels;

  if (!s.tiny && !(text && g_str_has_prefix (text, "synthetic:")))
    return FALSE;
  s.n_voxels = s.tiny ? 0 : USUAL_VOXELS;
  parts = g_strsplit (strchr (text, ':') + 1, "?", 2);
  if (!parts[0] || !g_ascii_string_to_unsigned (
                       parts[0], 10, 0, G_MAXINT32, &s.seed, NULL)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: expected a whole number behind the colon", text);
    return FALSE;
  }
  if (parts[1]) {
    if (!g_str_has_prefix (parts[1], "voxels=") ||
        !g_ascii_string_to_unsigned (
            parts[1] + strlen ("voxels="), 10, 1, G_MAXINT32, &voxels, NULL)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: expected voxels= and a whole number behind the question mark",
          text);
      return FALSE;
    }
    s.n_voxels = (int) voxels;
  }
  *ret = s;
  return TRUE;
}

gboolean
shu_synthetic_check (
    const ShuSynthetic *s, const char *text, int R, GError **error)
{
  int most = R * R * 8, least = R * R / 8;

  if (s->n_voxels == 0 || (s->n_voxels >= least && s->n_voxels <= most))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "%s: expected %d to %d voxels, for a body in a grid of %d^3", text, least,
      most, R);
  return FALSE;
}

/* ---- configurations ---- */

typedef struct {
  const char *path;
  const char *tiny;
  const char *full;
} Entry;

#define VIEWS                                                                  \
  "\"num_views\": 5, \"selfattn_block\": \"self_rowwise\", "                   \
  "\"mvcd_attention\": true, \"cd_attention_mid\": false, "                    \
  "\"multiview_attention\": true, \"use_linear_projection\": true, "           \
  "\"class_embed_type\": \"projection\", \"in_channels\": 8, "                 \
  "\"out_channels\": 4, \"patch_size\": 1, \"pe_mode\": \"ape\", "             \
  "\"qk_rms_norm\": true, \"share_mod\": false, \"mlp_ratio\": 4, "            \
  "\"norm_num_groups\": 32, \"norm_eps\": 1e-5, "                              \
  "\"trellis_in_channels\": 8, \"trellis_out_channels\": 8, "

#define DECODER                                                                \
  "\"latent_channels\": 8, \"attn_mode\": \"swin\", \"window_size\": 8, "      \
  "\"mv_condition_mode\": \"4_view\", \"use_multiscale\": true, "              \
  "\"use_faceinfo\": false, "

#define GAUSSIANS                                                              \
  "\"lr\": {\"_xyz\": 1.0, \"_features_dc\": 1.0, \"_opacity\": 1.0, "         \
  "\"_scaling\": 1.0, \"_rotation\": 0.1}, \"perturb_offset\": true, "         \
  "\"voxel_size\": 1.5, \"2d_filter_kernel_size\": 0.1, "                      \
  "\"3d_filter_kernel_size\": 9e-4, \"scaling_bias\": 4e-3, "                  \
  "\"opacity_bias\": 0.1, \"scaling_activation\": \"softplus\", "

#define FLOW                                                                   \
  "\"in_channels\": 8, \"out_channels\": 8, \"patch_size\": 2, "               \
  "\"pe_mode\": \"ape\", \"qk_rms_norm\": true, "

static const Entry entries[] = {
    {"OneStage/pipeline_config.json",
        "{\"num_views\": 5, \"view_size\": 48, \"condition_size\": 42, "
        "\"steps\": 2, \"guidance\": 1.5}",
        "{\"num_views\": 5}"},
    {"OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json",
        "{" VIEWS "\"sample_size\": 12, \"block_out_channels\": [32, 32, 32], "
        "\"layers_per_block\": 1, \"attention_head_dim\": [1, 1, 1], "
        "\"down_block_types\": [\"CrossAttnDownBlockMV2D\", "
        "\"CrossAttnDownBlockMV2D\", \"DownBlock2D\"], "
        "\"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlockMV2D\", "
        "\"CrossAttnUpBlockMV2D\"], "
        "\"mid_block_type\": \"UNetMidBlockMV2DCrossAttn\", "
        "\"cross_attention_dim\": 32, \"resolution\": 4, "
        "\"projection_class_embeddings_input_dim\": 64, "
        "\"model_channels\": 32, \"cond_channels\": 32, \"num_blocks\": 3, "
        "\"num_heads\": 1, \"num_head_channels\": 32, "
        "\"dual_ss\": [32, 32], \"dual_mv\": [32, 32]}",
        "{" VIEWS "\"sample_size\": 96, "
        "\"block_out_channels\": [320, 640, 1280, 1280], "
        "\"layers_per_block\": 2, \"attention_head_dim\": [5, 10, 20, 20], "
        "\"down_block_types\": [\"CrossAttnDownBlockMV2D\", "
        "\"CrossAttnDownBlockMV2D\", \"CrossAttnDownBlockMV2D\", "
        "\"DownBlock2D\"], "
        "\"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlockMV2D\", "
        "\"CrossAttnUpBlockMV2D\", \"CrossAttnUpBlockMV2D\"], "
        "\"mid_block_type\": \"UNetMidBlockMV2DCrossAttn\", "
        "\"cross_attention_dim\": 1024, \"resolution\": 16, "
        "\"projection_class_embeddings_input_dim\": 2048, "
        "\"model_channels\": 1024, \"cond_channels\": 1024, "
        "\"num_blocks\": 24, \"num_heads\": 16, \"num_head_channels\": 64, "
        "\"dual_ss\": [640, 1280], \"dual_mv\": [1280, 1280]}"},
    {"OneStage/vae/config.json",
        "{\"block_out_channels\": [32, 32, 32], \"layers_per_block\": 1, "
        "\"latent_channels\": 4, \"norm_num_groups\": 32, "
        "\"scaling_factor\": 0.5}",
        "{\"block_out_channels\": [128, 256, 512, 512], "
        "\"layers_per_block\": 2, \"latent_channels\": 4, "
        "\"norm_num_groups\": 32, \"scaling_factor\": 0.18215}"},
    {"OneStage/image_encoder/config.json",
        "{\"hidden_size\": 32, \"intermediate_size\": 64, "
        "\"num_hidden_layers\": 1, \"num_attention_heads\": 1, "
        "\"patch_size\": 16, \"image_size\": 32, \"projection_dim\": 32, "
        "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-5}",
        "{\"hidden_size\": 1280, \"intermediate_size\": 5120, "
        "\"num_hidden_layers\": 32, \"num_attention_heads\": 16, "
        "\"patch_size\": 14, \"image_size\": 224, \"projection_dim\": 1024, "
        "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-5}"},
    {"OneStage/feature_extractor/preprocessor_config.json",
        "{\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], "
        "\"resample\": 3, \"size\": {\"shortest_edge\": 32}}",
        "{\"image_mean\": [0.48145466, 0.4578275, 0.40821073], "
        "\"image_std\": [0.26862954, 0.26130258, 0.27577711], "
        "\"resample\": 3, \"size\": {\"shortest_edge\": 224}}"},
    {"OneStage/sparse_structure_decoder/config.json",
        "{\"name\": \"SparseStructureDecoder\", \"args\": "
        "{\"out_channels\": 1, \"latent_channels\": 8, \"num_res_blocks\": 1, "
        "\"num_res_blocks_middle\": 1, \"channels\": [16, 8, 8]}}",
        "{\"name\": \"SparseStructureDecoder\", \"args\": "
        "{\"out_channels\": 1, \"latent_channels\": 8, \"num_res_blocks\": 2, "
        "\"num_res_blocks_middle\": 2, \"channels\": [512, 128, 32]}}"},
    {"OneStage/dinov2/config.json",
        "{\"embed_dim\": 32, \"depth\": 4, \"num_heads\": 1, "
        "\"patch_size\": 14, \"img_size\": 42, \"num_register_tokens\": 4}",
        "{\"embed_dim\": 1024, \"depth\": 24, \"num_heads\": 16, "
        "\"patch_size\": 14, \"img_size\": 518, \"num_register_tokens\": 4}"},
    {"OneStage/matting/config.json",
        "{\"arch\": \"u2netp\", \"sample_size\": 64}",
        "{\"arch\": \"u2net\", \"sample_size\": 320}"},
    {"SecondStage/pipeline.json",
        "{\"args\": {\"models\": {\"slat_flow_model\": \"slat_flow\", "
        "\"slat_decoder_mesh\": \"decoder_Mesh\", "
        "\"slat_decoder_gs\": \"decoder_GS\"}, \"slat_sampler\": "
        "{\"params\": {\"steps\": 2, \"cfg_strength\": 0.5, "
        "\"cfg_interval\": [0.5, 1.0], \"rescale_t\": 3.0}}, "
        "\"slat_normalization\": {\"mean\": [0, 0, 0, 0, 0, 0, 0, 0], "
        "\"std\": [1, 1, 1, 1, 1, 1, 1, 1]}, \"dino_taps\": [0, 1, 2, 3]}}",
        "{\"args\": {\"models\": {\"slat_flow_model\": \"slat_flow\", "
        "\"slat_decoder_mesh\": \"decoder_Mesh\", "
        "\"slat_decoder_gs\": \"decoder_GS\"}, \"slat_sampler\": "
        "{\"params\": {\"steps\": 25, \"cfg_strength\": 5.0, "
        "\"cfg_interval\": [0.5, 1.0], \"rescale_t\": 3.0}}, "
        "\"slat_normalization\": {\"mean\": [0, 0, 0, 0, 0, 0, 0, 0], "
        "\"std\": [2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4]}}}"},
    {"SecondStage/slat_flow/config.json",
        "{\"name\": \"SLatFlowModel\", \"args\": {" FLOW "\"resolution\": 16, "
        "\"model_channels\": 32, \"cond_channels\": 32, \"num_blocks\": 1, "
        "\"num_heads\": 1, \"mlp_ratio\": 2, \"num_io_res_blocks\": 2, "
        "\"io_block_channels\": [16]}}",
        "{\"name\": \"SLatFlowModel\", \"args\": {" FLOW "\"resolution\": 64, "
        "\"model_channels\": 1024, \"cond_channels\": 1024, "
        "\"num_blocks\": 24, \"num_heads\": 16, \"mlp_ratio\": 4, "
        "\"num_io_res_blocks\": 2, \"io_block_channels\": [128]}}"},
    {"SecondStage/decoder_Mesh/config.json",
        "{\"name\": \"SLatMeshDecoder\", \"args\": {" DECODER
        "\"resolution\": 16, \"model_channels\": 256, \"num_blocks\": 1, "
        "\"num_heads\": 4, \"mlp_ratio\": 1, \"mv_dim\": 32, "
        "\"representation_config\": {\"use_color\": true}}}",
        "{\"name\": \"SLatMeshDecoder\", \"args\": {" DECODER
        "\"resolution\": 64, \"model_channels\": 768, \"num_blocks\": 12, "
        "\"num_heads\": 12, \"mlp_ratio\": 4, \"mv_dim\": 1024, "
        "\"representation_config\": {\"use_color\": true}}}"},
    {"SecondStage/decoder_GS/config.json",
        "{\"name\": \"SLatGaussianDecoder\", \"args\": {" DECODER
        "\"resolution\": 16, \"model_channels\": 32, \"num_blocks\": 1, "
        "\"num_heads\": 1, \"mlp_ratio\": 1, \"mv_dim\": 32, "
        "\"representation_config\": {" GAUSSIANS "\"num_gaussians\": 4}}}",
        "{\"name\": \"SLatGaussianDecoder\", \"args\": {" DECODER
        "\"resolution\": 64, \"model_channels\": 768, \"num_blocks\": 12, "
        "\"num_heads\": 12, \"mlp_ratio\": 4, \"mv_dim\": 1024, "
        "\"representation_config\": {" GAUSSIANS "\"num_gaussians\": 32}}}"},
};

const char *
shu_synthetic_config (gboolean tiny, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (strcmp (entries[i].path, path) == 0)
      return tiny ? entries[i].tiny : entries[i].full;
  return NULL;
}
