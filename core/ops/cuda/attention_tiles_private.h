/* SPDX-License-Identifier: MIT */
/* Which queries a block of attention_many.cu takes, and in what order.
 *
 * A tile is as many queries of a head as a block has room for.  Where all keys
 * of a head fit, a block takes tiles in a row, so that keys can stay; where
 * not, blocks take turns, and what is left when all have had as many is taken
 * in parts. */
#pragma once
#include "ops/cuda/kernel_private.h"

enum {
  GROUPS = 3, /* warpgroups of a block that compute */
  ROWS = 64,  /* queries of each */
};

/* For quotients of less than 2^31 */
typedef struct {
  unsigned by, factor, shift;
} Divisor;

typedef struct {
  __half *y;
  unsigned Tq, Tk, HD;
  unsigned blocks; /* of keys */
  Divisor NH;
  Divisor tiles;  /* of queries of a head */
  unsigned whole; /* tiles of all heads that a block takes as they are */
  unsigned all;   /* with the parts of the others */
  bool stays;     /* keys do, while a head's tiles are taken in a row */
  unsigned share; /* warpgroups that have something to do in a part */
  float scale;    /* with log2 e */
} Job;

static Divisor
divisor_of (size_t by)
{
  Divisor d = {(unsigned) by, 0, 31};

  while ((size_t) 1 << (d.shift - 31) < by)
    d.shift++;
  d.factor = (unsigned) ((((uint64_t) 1 << d.shift) + by - 1) / by);
  return d;
}

static __device__ inline unsigned
divide (unsigned x, const Divisor &d)
{
  return (unsigned) ((uint64_t) x * d.factor >> d.shift);
}

/* Tiles that are left when all blocks have had as many are taken in parts, as
 * small ones as there are blocks for. */
static void
share_out (Job &p, size_t tiles, unsigned n_sm)
{
  unsigned all = (unsigned) tiles, rest = all % n_sm;

  p.whole = all - rest;
  for (p.share = 1; p.share < GROUPS; p.share++)
    if (rest * shu_div_up (GROUPS, p.share) <= n_sm)
      break;
  p.all = p.whole + rest * (unsigned) shu_div_up (GROUPS, p.share);
}

/* Which tiles a block takes */
typedef struct {
  unsigned begin, step, end;
} Order;

static __device__ inline Order
order_of (const Job &p)
{
  size_t all = p.all;
  Order o = {blockIdx.x, gridDim.x, p.all};

  if (p.stays) {
    o.begin = (unsigned) (blockIdx.x * all / gridDim.x);
    o.step = 1;
    o.end = (unsigned) ((blockIdx.x + 1) * all / gridDim.x);
  }
  return o;
}

/* What a block has next: queries of a head, 64 of which are a warpgroup's */
typedef struct {
  int b, head;      /* head of a sequence */
  unsigned row;     /* the first warpgroup's first */
  unsigned n;       /* warpgroups with something to do; the others look on */
  bool first, last; /* of those that its keys are there for */
} Tile;

/* Beyond the last: one that nobody has a part of */
static __device__ inline Tile
tile_of (const Job &p, const Order &o, unsigned at)
{
  unsigned first = 0, n = GROUPS, i = at, head, left;
  Tile t = {};

  if (at >= o.end)
    return t;
  if (i >= p.whole) {
    unsigned parts = (GROUPS + p.share - 1) / p.share, part = i - p.whole;

    i = p.whole + part / parts;
    first = part % parts * p.share;
    n = p.share < GROUPS - first ? p.share : GROUPS - first;
  }
  head = divide (i, p.tiles);
  i -= head * p.tiles.by;
  t.b = (int) divide (head, p.NH);
  t.head = (int) (head - t.b * p.NH.by);
  t.row = (i * GROUPS + first) * ROWS;
  left = t.row < p.Tq ? (p.Tq - t.row + ROWS - 1) / ROWS : 0;
  t.n = n < left ? n : left;
  t.first = !p.stays || at == o.begin || i == 0;
  t.last = !p.stays || at + 1 == o.end || i + 1 == p.tiles.by;
  return t;
}
