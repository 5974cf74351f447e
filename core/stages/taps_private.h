/* SPDX-License-Identifier: MIT */
/* SHU_TAPS: intermediate results of the networks for people who look into
 * them.
 *   SHU_TAPS=PATTERN[,PATTERN...]  '*' and '?' stand for any characters; a
 *     name is that of the network and that of the result:
 *     "slat_flow/blocks.3.self_attn".  Logs a line for each that matches.
 *   SHU_TAPS_DIR=FOLDER  also writes each to a safetensors file of its own,
 *     numbered in the order of the work. */
#pragma once
#include "tensor/context.h"

/* Does nothing where SHU_TAPS is not set. */
void shu_taps_install (ShuCtx *c);
