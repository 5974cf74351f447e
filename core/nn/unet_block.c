/* SPDX-License-Identifier: MIT */
/* down: (resnet, attention)*, stride-2 convolution; every result is a skip
 * mid:  resnet, attention, resnet
 * up:   (concat [current, skip], resnet, attention)*, nearest x2, convolution
 *
 * Trap: the down convolution pads on both sides here, only right and bottom in
 * the VAE. */
#include "nn/unet_block.h"
#include "base/error.h"

static char *
child (const char *name, const char *what, int i)
{
  return g_strdup_printf ("%s%s%s.%d", name, *name ? "." : "", what, i);
}

static void
load_resnet (ShuUnetBlock *ret, ShuWeights *w, const char *name, int i,
    gint64 Ci, gint64 Co, const ShuUnetParams *p)
{
  g_autofree char *own = child (name, "resnets", i);

  ret->resnets[i] = shu_resnet_load (w, own, Ci, Co, p->E, p->n_groups, p->eps);
  if (p->precision == SHU_PRECISION_FP8)
    shu_resnet_use_fp8 (&ret->resnets[i], w);
}

static void
load_attention (ShuUnetBlock *ret, ShuWeights *w, const char *name, int i,
    const ShuUnetParams *p)
{
  g_autofree char *own = child (name, "attentions", i);

  shu_mv_transformer_load (&ret->attentions[i], w, own, &p->mv);
  for (int k = 0; k < ret->attentions[i].n_blocks; k++)
    if (p->precision == SHU_PRECISION_FP8)
      shu_mv_block_use_fp8 (&ret->attentions[i].transformer_blocks[k], w);
}

void
shu_unet_block_load (ShuUnetBlock *ret, ShuWeights *w, const char *name,
    int n_resnets, const gint64 *Ci, gint64 Co, ShuUnetSampler sampler,
    const ShuUnetParams *p)
{
  ShuWeights *part = shu_weights_part (w, name);

  g_assert (n_resnets >= 1 && n_resnets <= SHU_UNET_MAX_LAYERS);
  shu_name_set (ret->name, "", "%s", name);
  ret->n_resnets = n_resnets;
  ret->n_attentions = p->mv.n_blocks > 0 ? n_resnets : 0;
  ret->sampler = sampler;
  for (int i = 0; i < n_resnets; i++)
    load_resnet (ret, w, name, i, Ci[i], Co, p);
  for (int i = 0; i < ret->n_attentions; i++)
    load_attention (ret, w, name, i, p);
  if (sampler != SHU_UNET_SAME)
    ret->conv = shu_weights_conv (part,
        sampler == SHU_UNET_DOWN ? "downsamplers.0.conv" : "upsamplers.0.conv",
        Co, Co, 3);
  if (sampler == SHU_UNET_UP)
    ret->conv.precision = p->precision;
  if (sampler == SHU_UNET_UP)
    shu_weights_use (part, ret->conv.w,
        p->precision == SHU_PRECISION_FP8 ? SHU_USE_CONV_DOUBLED_FP8
                                          : SHU_USE_CONV_DOUBLED);
}

void
shu_unet_mid_load (ShuUnetBlock *ret, ShuWeights *w, const char *name, gint64 C,
    const ShuUnetParams *p)
{
  shu_name_set (ret->name, "", "%s", name);
  ret->n_resnets = 2;
  ret->n_attentions = 1;
  load_resnet (ret, w, name, 0, C, C, p);
  load_attention (ret, w, name, 0, p);
  load_resnet (ret, w, name, 1, C, C, p);
}

void
shu_unet_block_clear (ShuUnetBlock *b)
{
  for (int i = 0; i < b->n_attentions; i++)
    shu_mv_transformer_clear (&b->attentions[i]);
}

void
shu_unet_block_text (
    ShuCtx *c, const ShuUnetBlock *b, ShuTensor *text, ShuUnetText *ret_text)
{
  for (int i = 0; i < b->n_attentions; i++)
    shu_mv_transformer_text (c, &b->attentions[i], text, ret_text->text[i]);
}

void
shu_unet_block_times (
    ShuCtx *c, const ShuUnetBlock *b, ShuTensor *time, ShuUnetTimes *times)
{
  g_assert (times->n + b->n_resnets <= SHU_UNET_MAX_RESNETS);
  for (int i = 0; i < b->n_resnets; i++)
    times->t[times->n++] = shu_resnet_time (c, &b->resnets[i], time);
}

/* residual block @i and its attention */
static ShuTensor *
layer (ShuCtx *c, const ShuUnetBlock *b, int i, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text)
{
  SHU_SCOPE (c);

  x = shu_resnet (c, &b->resnets[i], x, times[i]);
  if (i < b->n_attentions)
    x = shu_mv_transformer (c, &b->attentions[i], x, views, text->text[i]);
  return shu_keep (c, x);
}

static void
push (ShuCtx *c, ShuSkips *skips, ShuTensor *x)
{
  g_assert (skips->n < SHU_UNET_MAX_SKIPS);
  skips->t[skips->n++] = shu_keep (c, x);
}

ShuTensor *
shu_unet_down (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text,
    ShuSkips *skips)
{
  SHU_SCOPE (c);

  for (int i = 0; i < b->n_resnets; i++) {
    x = layer (c, b, i, x, times, views, text);
    push (c, skips, x);
  }
  if (b->sampler == SHU_UNET_DOWN) {
    x = shu_conv2d (c, x, &b->conv,
        &(ShuConvParams){.stride = 2, .pad_before = 1, .pad_after = 1});
    push (c, skips, x);
  }
  return shu_keep (c, shu_tap (c, x, "%.*s", SHU_NAME_ARGS (b->name)));
}

ShuTensor *
shu_unet_mid (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text)
{
  SHU_SCOPE (c);

  x = layer (c, b, 0, x, times, views, text);
  x = layer (c, b, 1, x, times, views, text);
  return shu_keep (c, shu_tap (c, x, "%.*s", SHU_NAME_ARGS (b->name)));
}

/* Nobody needs @x and @skip afterwards. */
static ShuTensor *
up_layer (ShuCtx *c, const ShuUnetBlock *b, int i, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text,
    ShuTensor *skip)
{
  SHU_SCOPE (c);
  ShuTensor *both = shu_concat2 (c, 3, x, skip);

  shu_drop (c, x);
  shu_drop (c, skip);
  x = shu_resnet (c, &b->resnets[i], both, times[i]);
  shu_drop (c, both);
  if (i < b->n_attentions)
    x = shu_mv_transformer (c, &b->attentions[i], x, views, text->text[i]);
  return shu_keep (c, x);
}

ShuTensor *
shu_unet_up (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text,
    ShuSkips *skips)
{
  SHU_SCOPE (c);

  for (int i = 0; i < b->n_resnets; i++) {
    g_assert (skips->n > 0);
    x = up_layer (c, b, i, x, times, views, text, skips->t[--skips->n]);
  }
  if (b->sampler == SHU_UNET_UP)
    x = shu_conv2d (c, x, &b->conv,
        &(ShuConvParams){.pad_before = 1, .pad_after = 1, .upsample = TRUE});
  return shu_keep (c, shu_tap (c, x, "%.*s", SHU_NAME_ARGS (b->name)));
}
