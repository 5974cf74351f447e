/* SPDX-License-Identifier: MIT */
/* The process that does the jobs, one after the other, behind a sandbox.  It
 * reads orders from standard input and writes what happens to standard output,
 * one JSON object a line:
 *
 *   {"run": "launch description", "steps": N, "steps2": N}
 *   {"cancel": true}
 *
 *   {"type": "ready", "folder", "device", "gpu", "memory", "defaults": {…},
 *    "estimate": s, "gpu_free": bytes}
 *   {"type": "started", "estimate": s, "guess": b}
 *   {"type": "progress", "stage", "step", "total", "remaining": s}
 *   {"type": "preview", "jpeg": base64}
 *   {"type": "subject", "alpha_coverage": share}
 *   {"type": "warning", "message"}
 *   {"type": "done", "seconds": s, "stages": {name: s}, "gpu_free": bytes}
 *   {"type": "failed", "cause": "photo" | "memory" | "disk" | "internal",
 * "message", "detail"}
 *   {"type": "cancelled"}
 *
 * With the argument "count" it says how many GPUs there are, and ends.
 * Its settings come through the environment (SHU_MODEL, SHU_DEVICE, SHU_MEMORY)
 * and its arguments. */
#pragma once

/* Returns: the exit status, when standard input ends */
int worker_main (int argc, char **argv);
