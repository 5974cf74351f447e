# SPDX-License-Identifier: MIT
"""Generated people for Python: human*.c through ctypes for parameters and
cameras; the field on CUDA through CuPy, or on the CPU where there is no GPU.
Arrays are PyTorch tensors on the chosen device."""
import ctypes
import os
import re
import subprocess
import tempfile

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ("human.c", "human_camera.c", "human_clothes.c", "human_pose.c")
FLOATS = 40 + 12 * 12 + 72 * 20
CAMERA = 32
HELD_OUT = 1000000
PROBE = 320


def build():
    """Compiles the generator; returns the loaded library."""
    path = os.path.join(tempfile.mkdtemp(), "libhuman.so")
    subprocess.run(["gcc", "-O2", "-std=c11", "-fopenmp", "-shared", "-fPIC", "-o", path,
                    *(os.path.join(HERE, name) for name in SOURCES), "-lm"], check=True)
    lib = ctypes.CDLL(path)
    lib.human_voxels.restype = ctypes.c_size_t
    return lib


def at(array, i):
    """Address of row i of a C-contiguous numpy array."""
    return ctypes.c_void_p(array.ctypes.data + i * array.strides[0])


def boxes(mask):
    """bool [N, n, n] -> [N, 5] covered x0, y0, x1, y1 and mean column, as fractions."""
    n = mask.shape[-1]
    k = torch.arange(n, device=mask.device)
    out = []
    for axis in (1, 2):
        m = mask.any(axis)
        out.append((torch.where(m, k, torch.full_like(k, n)).amin(1).float() / n,
                    (torch.where(m, k, torch.full_like(k, -1)).amax(1) + 1).float() / n))
    columns = mask.sum(1).float()
    mean = (columns * (k + 0.5)).sum(1) / columns.sum(1).clamp_min(1) / n
    return torch.stack([out[0][0], out[1][0], out[0][1], out[1][1], mean], 1)


class People:
    """params [N, FLOATS] and frames [N, 4] (centre, size) describe N persons."""

    def __init__(self, device):
        self.device, self.lib = torch.device(device), build()
        if self.device.type == "cuda":
            import cupy
            self.cupy = cupy
            with open(os.path.join(HERE, "human_field.h")) as f:
                src = f.read()
            assert int(re.search(r"HUMAN_PRIMITIVES (\d+)", src)[1]) == 72
            m = cupy.RawModule(code=src, options=("--std=c++14", "--use_fast_math"))
            self.k_render, self.k_points, self.k_voxels = (
                m.get_function(k) for k in ("render_kernel", "points_kernel", "voxels_kernel"))

    def stream(self):
        return self.cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)

    def pointer(self, t):
        return self.cupy.uint64(0 if t is None else t.data_ptr())

    def generate(self, numbers):
        p = np.zeros((len(numbers), FLOATS), np.float32)
        for i, n in enumerate(numbers):
            self.lib.human_generate(at(p, i), ctypes.c_uint64(n))
        return torch.from_numpy(p).to(self.device)

    def render(self, params, who, cameras, n, samples=2, colour=True, normal=False,
               straight=False):
        """cameras: numpy [M, CAMERA] -> rgb, normals (or None), alpha: u8"""
        M = len(cameras)
        cam = torch.from_numpy(np.ascontiguousarray(cameras)).to(self.device)
        who = who.to(self.device, torch.int32).contiguous()

        def empty(*s):
            return torch.empty(s, dtype=torch.uint8, device=self.device)
        rgb = empty(M, n, n, 3) if colour else None
        nrm = empty(M, n, n, 3) if normal else None
        alpha = empty(M, n, n)
        P, i32 = self.pointer, self.cupy.int32
        for a in range(0, M, 32768):
            b = min(M, a + 32768)
            with self.stream():
                self.k_render(((n * n + 127) // 128, b - a), (128,), (
                    P(params), P(who[a:]), P(cam[a:]), i32(n), i32(samples), i32(straight),
                    P(None if rgb is None else rgb[a:]),
                    P(None if nrm is None else nrm[a:]), P(alpha[a:])), shared_mem=FLOATS * 4)
        return rgb, nrm, alpha

    def frames(self, params):
        N = len(params)
        host = np.ascontiguousarray(params.cpu().numpy())
        out = np.zeros((N, 4), np.float32)
        if self.device.type == "cpu":
            for i in range(N):
                self.lib.human_frame(at(host, i), at(out, i))
            return torch.from_numpy(out)
        box = []
        for axis in (0, 1):
            cam = np.zeros((N, CAMERA), np.float32)
            for i in range(N):
                self.lib.human_bound_camera(at(host, i), axis, at(cam, i))
            rows = [boxes(self.render(params, torch.arange(a, min(N, a + 4096)), cam[a:a + 4096],
                                      PROBE, 1, colour=False)[2] > 0)
                    for a in range(0, N, 4096)]
            box.append(np.ascontiguousarray(torch.cat(rows).cpu().numpy()))
        for i in range(N):
            self.lib.human_fit_frame(at(host, i), at(box[0], i), at(box[1], i), at(out, i))
        return torch.from_numpy(out).to(self.device)

    def views(self, params, frames, n, samples=2, chunk=1024):
        """-> colour, normal u8 [N, 5, n, n, 3], alpha u8 [N, 5, n, n]"""
        N = len(params)
        f = np.ascontiguousarray(frames.cpu().numpy())
        colour = torch.empty(N, 5, n, n, 3, dtype=torch.uint8, device=self.device)
        normal = torch.empty_like(colour)
        alpha = torch.empty(N, 5, n, n, dtype=torch.uint8, device=self.device)
        if self.device.type == "cpu":
            host = np.ascontiguousarray(params.numpy())
            for i in range(N):
                for v in range(5):
                    self.lib.human_view(at(host, i), at(f, i), v, n, samples,
                                        ctypes.c_void_p(colour[i, v].data_ptr()),
                                        ctypes.c_void_p(normal[i, v].data_ptr()))
            alpha = (normal.amin(-1) < 250).byte() * 255  # normals are never near white
            return colour, normal, alpha
        for a in range(0, N, chunk):
            b = min(N, a + chunk)
            cam = np.zeros(((b - a) * 5, CAMERA), np.float32)
            for i in range(b - a):
                for v in range(5):
                    self.lib.human_view_camera(at(f, a + i), v, at(cam, 5 * i + v))
            c, m, o = self.render(params, torch.arange(a, b).repeat_interleave(5), cam, n,
                                  samples, normal=True)
            colour[a:b] = c.reshape(b - a, 5, n, n, 3)
            normal[a:b] = m.reshape(b - a, 5, n, n, 3)
            alpha[a:b] = o.reshape(b - a, 5, n, n)
        return colour, normal, alpha

    def photos(self, params, frames, numbers, n, samples=2, margin=0.0, straight=False,
               chunk=4096):
        """One square photo each -> rgb u8 [N, n, n, 3] on white (or straight), alpha u8"""
        N = len(params)
        f = np.ascontiguousarray(frames.cpu().numpy())
        host = np.ascontiguousarray(params.cpu().numpy())
        if self.device.type == "cpu":
            rgba = torch.empty(N, n, n, 4, dtype=torch.uint8)
            for i in range(N):
                self.lib.human_photo(at(host, i), at(f, i), ctypes.c_uint64(int(numbers[i])), n,
                                     n, ctypes.c_float(margin), samples,
                                     ctypes.c_void_p(rgba[i].data_ptr()))
            rgb, alpha = rgba[..., :3].float(), rgba[..., 3:].float() / 255
            if not straight:
                rgb = rgb * alpha + 255 * (1 - alpha)
            return (rgb + 0.5).byte(), rgba[..., 3].contiguous()
        R, A = [], []
        for a in range(0, N, chunk):
            b = min(N, a + chunk)
            who = torch.arange(a, b)
            cam = np.zeros((b - a, CAMERA), np.float32)
            for i in range(b - a):
                self.lib.human_photo_camera(at(host, a + i), at(f, a + i),
                                            ctypes.c_uint64(int(numbers[a + i])), at(cam, i))
            box = boxes(self.render(params, who, cam, PROBE, 1, colour=False)[2] > 0)
            box = np.ascontiguousarray(box.cpu().numpy())
            for i in range(b - a):
                self.lib.human_fit_photo(at(cam, i), at(box, i), n, n, ctypes.c_float(margin))
            rgb, _, alpha = self.render(params, who, cam, n, samples, straight=straight)
            R.append(rgb)
            A.append(alpha)
        return torch.cat(R), torch.cat(A)

    def voxels(self, params, frames, res, chunk=16384):
        """-> bool [N, res, res, res]"""
        N = len(params)
        out = torch.empty(N, res, res, res, dtype=torch.uint8, device=self.device)
        if self.device.type == "cpu":
            host, f = (np.ascontiguousarray(x.numpy()) for x in (params, frames))
            for i in range(N):
                self.lib.human_voxels(at(host, i), at(f, i), res,
                                      ctypes.c_void_p(out[i].data_ptr()))
            return out.bool()
        P = self.pointer
        for a in range(0, N, chunk):
            b = min(N, a + chunk)
            with self.stream():
                self.k_voxels(((res ** 3 + 127) // 128, b - a), (128,), (
                    P(params[a:]), P(frames[a:].contiguous()), self.cupy.int32(res), P(out[a:])),
                    shared_mem=FLOATS * 4)
        return out.bool()

    def points(self, params, frames, who, pts, full):
        """pts [B, K, 3] in the unit cube of persons who[B] -> distance [B, K] in cube
        units and, with @full, colour and normal [B, K, 3]"""
        B, K, _ = pts.shape
        if self.device.type == "cpu":
            out = torch.empty(B, K, 7)
            for i in range(B):
                p = np.ascontiguousarray(pts[i].float().numpy())
                h = np.ascontiguousarray(params[who[i]].numpy())
                f = np.ascontiguousarray(frames[who[i]].numpy())
                d, c, m = (np.zeros(s, np.float32) for s in ((K,), (K, 3), (K, 3)))
                self.lib.human_points(*(ctypes.c_void_p(x.ctypes.data) for x in (h, f, p)),
                                      ctypes.c_size_t(K),
                                      *(ctypes.c_void_p(x.ctypes.data) for x in (d, c, m)))
                out[i] = torch.from_numpy(np.concatenate([d[:, None], c, m], 1))
            return (out[..., 0], out[..., 1:4], out[..., 4:]) if full else out[..., 0]
        f = frames[who]
        q = (pts * f[:, None, 3:] + f[:, None, :3]).float().contiguous()
        ids = who.int().repeat_interleave(K).contiguous()
        out = torch.empty(B, K, 7 if full else 1, device=self.device)
        P = self.pointer
        with self.stream():
            self.k_points(((B * K + 127) // 128,), (128,), (
                P(params), P(ids), P(q), self.cupy.int64(B * K), self.cupy.int32(full), P(out)))
        d = out[..., 0] / f[:, None, 3]
        return (d, out[..., 1:4], out[..., 4:]) if full else d
