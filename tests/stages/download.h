/* SPDX-License-Identifier: MIT */
/* The official download with nothing in it: its JSON files, and files of
 * tensors as long as the real ones that are holes, so they take no room. */
#pragma once
#include "tensor/tensor.h"

/**
 * Download:
 * @root: a folder with @ckpts, the model folder, and what is beside it
 */
typedef struct {
  char *root, *ckpts;
} Download;

/* A tensor of the inventory; @is_count: I64 */
typedef struct {
  char *name;
  gboolean is_count;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize n;
} DownloadItem;

/* What there is in several files, shards and formats */
enum {
  DOWNLOAD_JOINT, /* shards */
  DOWNLOAD_VAE,
  DOWNLOAD_CLIP,
  DOWNLOAD_SS_DECODER,
  DOWNLOAD_SLAT_FLOW,
  DOWNLOAD_MESH_DECODER,
  DOWNLOAD_GS_DECODER,
  DOWNLOAD_DINO,    /* archive of torch.save() in ROOT/torch */
  DOWNLOAD_MATTING, /* its older format in ROOT/u2net */
  DOWNLOAD_N_PARTS,
};

/* Where the JSON files and the inventory are; before anything else. */
void download_init (const char *data_folder);

/* FALSE: this disk cannot hold it */
gboolean download_put (const Download *f);

/* (transfer full): DownloadItem */
GArray *download_inventory (int part);
/* Part @i anew, of @items. */
gboolean download_put_part (const Download *f, int i, const GArray *items);
/* Its file, or the folder of its shards; (transfer full) */
char *download_part_file (const Download *f, int i);

/* A file that is one tensor, f16, of zeros */
gboolean download_put_bare (const char *path, int n_dims, const gint64 *dims);
