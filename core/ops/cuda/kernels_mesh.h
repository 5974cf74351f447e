/* SPDX-License-Identifier: MIT */
/* Launchers of work on meshes, Gaussians and textures (kernels.h says what all
 * have in common). */
#pragma once
#include "ops/bake_point.h"
#include "ops/cuda/kernels.h"
#include "ops/gaussian_point.h"
#include "ops/splat_point.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- isosurface.cu: geometry/flexicubes.h in steps.  Each leaves in totals
 * how much room the next one needs; the caller reads that, and makes it ---- */

enum {
  SHU_CUDA_ISO_MAX_R = 512,
  SHU_CUDA_ISO_CORNER = 10, /* floats */
  SHU_CUDA_ISO_CASE = 14,   /* bytes */
  SHU_CUDA_ISO_SCAN = 2048, /* elements for which sums holds one */
};

/* in totals */
enum {
  SHU_CUDA_ISO_ACTIVE,
  SHU_CUDA_ISO_TOUCHED,
  SHU_CUDA_ISO_CANDIDATES,
  SHU_CUDA_ISO_SURFACE,
  SHU_CUDA_ISO_CORNERS,
  SHU_CUDA_ISO_DUALS,
  SHU_CUDA_ISO_QUADS,
  SHU_CUDA_ISO_TOTALS,
};

/* in wrong */
enum {
  SHU_CUDA_ISO_OUTSIDE = 1 << 0, /* a cell outside of the grid */
  SHU_CUDA_ISO_TWICE = 1 << 1,
  SHU_CUDA_ISO_NOT_FINITE = 1 << 2,
};

/* Of numbers below 32 words: a bit each, and how many come before each word. */
typedef struct {
  uint32_t *bits, *before; /* [words], bits zero at first */
  size_t words;
} ShuCudaSet;

typedef struct {
  /* what is given: n cells of K channels in a grid of side R, and the 256
   * cases: number of dual vertices, group of each edge, direction of the
   * ambiguous face */
  const int *coords;   /* [n,3] */
  const void *feats;   /* f16 [n,K] */
  const int8_t *cases; /* [256,SHU_CUDA_ISO_CASE] */
  size_t n;
  int K, R;
  unsigned *wrong;  /* zero at first */
  uint32_t *totals; /* [SHU_CUDA_ISO_TOTALS] */
  uint32_t *sums;   /* for the largest of all scans */
  /* index: sets of cells, and of grid vertices (touched, corners) */
  ShuCudaSet active, touched, candidates, surface, corner_set;
  int *row_of; /* [n] */
  /* average */
  size_t n_touched;
  uint32_t *vertices; /* [n_touched] */
  float *sdf;         /* [n_touched] */
  /* select */
  size_t n_candidates;
  uint32_t *candidate_ids; /* [n_candidates] */
  /* number */
  size_t n_surface;
  uint32_t *cells;             /* [n_surface] */
  uint8_t *original, *case_id; /* [n_surface] */
  uint32_t *first_dual;        /* [4,n_surface] */
  /* vertices */
  size_t n_corners;
  uint32_t *corner_ids; /* [n_corners] */
  float *corners;       /* [n_corners,SHU_CUDA_ISO_CORNER] */
  float *gamma;         /* [n_surface] */
  float *pos, *attr;    /* [duals,3], [duals,6]; attr NULL where K is small */
  uint8_t *kinds;       /* [n_corners,3] */
  uint32_t *quad_at;    /* [2,n_corners,3] */
  /* faces */
  int *faces; /* [2 quads,3] */
} ShuCudaIsosurface;

cudaError_t shu_launch_iso_index (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_average (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_select (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_number (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_vertices (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_faces (
    const ShuCudaIsosurface *g, cudaStream_t stream);

/* ---- raster.cu: base/raster.h, some views at a time ---- */

enum { SHU_CUDA_RASTER_VIEWS = 32 }; /* at most */

/* ShuCamera without what never changes */
typedef struct {
  float view[12];
  float focal, cx, cy;
  int perspective;
} ShuCudaCamera;

typedef struct {
  const float *at;  /* [n_verts,3], or [n_verts,2] of the plane */
  const int *faces; /* [n_faces,3] */
  size_t n_verts, n_faces;
  const ShuCudaCamera *cameras; /* [V], in device memory; NULL: the plane */
  int V, H, W;
  int cull;
  unsigned long long *keys; /* [V,H,W]: depth and face of the nearest */
  int *n_doubles;           /* of the plane */
  /* of seen faces */
  const uint8_t *kinds; /* [n_faces] of ShuSeenFlags, or NULL */
  uint32_t *seen;       /* [n_faces] a bit a view, zero at first */
  uint32_t *missed;     /* likewise: thin and without a pixel */
  float slack;
} ShuCudaRaster;

/* Sets keys, n_doubles, and missed where there are kinds. */
cudaError_t shu_launch_raster_draw (
    const ShuCudaRaster *r, cudaStream_t stream);
/* keys -> face, bary (NULL: not wanted), depth (likewise), of all views */
cudaError_t shu_launch_raster_resolve (int *face, float *bary, float *depth,
    const ShuCudaRaster *r, cudaStream_t stream);
/* keys, missed -> counts [n_faces] grow; seen and missed are zero again */
cudaError_t shu_launch_raster_seen (
    int *counts, const ShuCudaRaster *r, cudaStream_t stream);

/* ---- gaussians.cu: core/ops/gaussians.h ---- */

/* x f16 [N,14G], coords [N,3], offset [G,3] */
cudaError_t shu_launch_gaussians (const ShuGaussianPlaces *y, const void *x,
    const int *coords, const float *offset, const ShuGaussianRule *p, size_t N,
    cudaStream_t stream);

/* ---- splat.cu: Gaussians as in ops/render.h.  Views of one set of them;
 * "tile" counts on from view to view, row by row. ---- */

enum { SHU_CUDA_SPLAT_SCAN = 2048 }; /* items for a word of sums */

typedef struct {
  /* the scene: n Gaussians, tiles of each view's side */
  const float *pos, *scale, *quat, *opacity, *rgb;
  size_t n;
  int size, side;
  /* V views at a time */
  const ShuSplatCamera *cameras; /* [V] */
  size_t V;
  ShuSplatDot *dots;    /* [V,n] */
  ShuSplatTiles *tiles; /* [V,n] */
  uint32_t *counts;     /* [V,side,side]: of each tile */
  /* tiles first..end-1 of them, n_pairs in all */
  size_t first, end, n_pairs;
  const uint32_t *starts; /* [V,side,side]: of tiles, among these pairs */
  uint32_t *at;           /* [V,n]: of dots of these views, among these pairs */
  uint32_t *sums;         /* a word for each SHU_CUDA_SPLAT_SCAN of V n */
  uint32_t *total;
  uint64_t *keys[2];  /* [n_pairs]: tile and depth; from one to the other */
  uint32_t *which[2]; /* [n_pairs]: of the Gaussians */
  void *room;
  size_t room_bytes;
  /* pictures [V,size,size,.], each of them or NULL */
  uint8_t *out_rgb, *out_mask;
  float *out_color, *out_through, *out_depth;
} ShuCudaSplat;

/* Dots, and counts, which are 0 before */
cudaError_t shu_launch_splat_project (
    const ShuCudaSplat *g, cudaStream_t stream);
/* Bytes that sorting n_pairs takes beside keys and which */
cudaError_t shu_launch_splat_sort_room (size_t n_pairs, size_t *ret_bytes);
/* The pairs, sorted: in keys[1] and which[1]; none is a success */
cudaError_t shu_launch_splat_sort (const ShuCudaSplat *g, cudaStream_t stream);
/* Pixels of the tiles */
cudaError_t shu_launch_splat_blend (const ShuCudaSplat *g, cudaStream_t stream);

/* ---- pack.cu ---- */

/* Rows of n pixels, and so on: [n,3], [n,3], [n] */
typedef struct {
  size_t n;
  float *place, *color, *weight;
} ShuCudaRows;

enum { SHU_CUDA_PACK_SCAN = 2048 }; /* rows for which sums holds one */

/* to [n]: how many rows before each weigh something; *total: of all; n up to
 * 2^32-1 */
cudaError_t shu_launch_count_rows (uint32_t *to, uint32_t *total,
    uint32_t *sums, const float *weight, size_t n, cudaStream_t stream);
/* Those of x that weigh something */
cudaError_t shu_launch_pack_rows (const ShuCudaRows *y, const ShuCudaRows *x,
    const uint32_t *to, cudaStream_t stream);

/* ---- bake.cu: ops/bake_point.h for each of n places ---- */

/* value [n,3], weight [n] */
cudaError_t shu_launch_bake_differences (float *value, float *weight,
    const ShuBakeWorld *w, int view, unsigned refs, int n, cudaStream_t stream);
cudaError_t shu_launch_bake_lacks (float *value, float *weight,
    const ShuBakeWorld *w, int n, cudaStream_t stream);
/* y [n,3]; face [n], bary [n,2] */
cudaError_t shu_launch_bake_texels (float *y, uint8_t *charts,
    const ShuBakeWorld *w, const int *face, const float *bary, size_t n,
    cudaStream_t stream);
cudaError_t shu_launch_bake_picture (
    uint8_t *y, const float *x, size_t n, cudaStream_t stream);
/* of the pixels of a photo, and of a drawing */
cudaError_t shu_launch_bake_photo_rows (const ShuCudaRows *y,
    const ShuBakeWorld *w, int is_face, int view, int size, float widest,
    cudaStream_t stream);
cudaError_t shu_launch_bake_drawing_rows (const ShuCudaRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawing *d, int size, float widest,
    cudaStream_t stream);

enum {
  SHU_CUDA_FIELD_BLOCKS = 128,
  SHU_CUDA_TEXTURE_BLOCKS = 1024,
  SHU_CUDA_GRADIENT_SCALARS = 12,
};

/* Sums of conjugate gradients */
typedef struct {
  double *partial; /* [blocks,3] */
  double *scalars; /* [SHU_CUDA_GRADIENT_SCALARS] */
} ShuCudaGradients;

typedef struct {
  ShuFieldSystem s;
  int n;
  float *y, *x, *r, *d, *z; /* [n,3] */
  ShuCudaGradients sums;    /* of SHU_CUDA_FIELD_BLOCKS */
} ShuCudaField;

cudaError_t shu_launch_field_spread (
    const ShuCudaField *field, int n_steps, cudaStream_t stream);

/* ---- texture.cu: core/ops/texture.h ---- */

typedef struct {
  int size;
  size_t n;
  const float *place, *color, *weight; /* rows: [n,3], [n,3], [n] */
  const float *start;                  /* [S,S,3], and so on */
  float *y;
  int rounds, steps;
  float soft_first, soft_last, variation, hold, stiffness;
  /* of all levels of the pyramid, [total,3] */
  float *pyramid;
  unsigned long long *sum;
  float *t, *change, *r, *d, *z;
  float *diagonal;       /* [S,S] */
  float *robust;         /* [n,3] */
  float *acting;         /* [S,S], with hold or stiffness */
  float *steady;         /* [S,S,2,3], with variation */
  ShuCudaGradients sums; /* of SHU_CUDA_TEXTURE_BLOCKS */
} ShuCudaTexture;

cudaError_t shu_launch_texture_solve (
    const ShuCudaTexture *job, cudaStream_t stream);
/* of job: what comes before start, y, hold, pyramid and sum; weight [total,3]
 */
cudaError_t shu_launch_texture_gather (
    const ShuCudaTexture *job, float *weight, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
