"""Other packages on the same image, each with the Python of its own environment: PYTHON benchmarks/peers.py NAME

NAME is porespy, pymks or mcrpy. The package alternates with plain scipy.fft (float32, one thread) in the same process:
that is the common yardstick, as not every environment holds torch. microtutor is measured in the same way, by
`.venv/bin/python benchmarks/peers.py microtutor`, so two packages compare by the quotient of their ratios.

Prints one line of JSON: version, medians, ratios, and the largest difference from scipy.fft in float64.
"""

import json
import logging
import os
import sys
import time
import warnings

for name in ("OMP", "MKL", "OPENBLAS", "NUMBA", "TF_INTRAOP", "TF_INTEROP"):
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

from importlib.metadata import version  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402
import scipy.fft  # noqa: E402

ROUNDS = 5
IMAGES = (np.random.default_rng(0).random((64, 224, 224)) < 0.4).astype(np.float64)


def plain(m, boundary):
    size = tuple(n if boundary == "periodic" else 2 * n for n in m.shape[-2:])
    spectrum = scipy.fft.rfft2(m, s=size, workers=1)
    return scipy.fft.irfft2(spectrum.real**2 + spectrum.imag**2, s=size, workers=1)


def exact(boundary):
    """The statistics in float64, zero shift in the middle, shifts -111 ... 111 along both axes."""
    reach = 111
    f = plain(IMAGES, boundary)
    steps = np.arange(-reach, reach + 1)
    f = f[:, steps][:, :, steps]
    pairs = np.full(len(steps), 224) if boundary == "periodic" else 224 - abs(steps)
    return f / (pairs[:, None] * pairs)


def porespy():
    import porespy

    porespy.settings.tqdm["disable"] = True
    solid = IMAGES > 0

    def radial():
        return [porespy.metrics.two_point_correlation(one) for one in solid]

    return {"open, ends in a radial curve": ("open", radial, None)}


def pymks():
    import dask

    dask.config.set(scheduler="synchronous")
    from pymks import two_point_stats

    def statistics(**options):
        return np.asarray(two_point_stats(IMAGES, IMAGES, **options))

    def window(f):
        middle = f.shape[-1] // 2
        return f[:, middle - 111 : middle + 112, middle - 111 : middle + 112]

    return {
        "periodic": ("periodic", statistics, window),
        "open": ("open", lambda: statistics(periodic_boundary=False), window),
    }


def mcrpy():
    import tensorflow

    logging.disable(logging.CRITICAL)
    from mcrpy.descriptors.FFTCorrelations import FFTCorrelations

    describe = FFTCorrelations.make_singlephase_descriptor(desired_shape_2d=(224, 224), limit_to=112)
    tensors = [tensorflow.constant(one) for one in IMAGES]
    return {
        "periodic": ("periodic", lambda: np.stack([np.squeeze(describe(one).numpy()) for one in tensors]), lambda f: f)
    }


def microtutor():
    import torch

    from microtutor.statistics import autocorrelation

    torch.set_num_threads(1)
    m = torch.from_numpy(IMAGES).float()

    def window(f):
        return np.fft.fftshift(f.double().numpy(), axes=(1, 2))[:, 1:, 1:]

    return {
        "periodic": ("periodic", lambda: autocorrelation(m), window),
        "open": ("open", lambda: autocorrelation(m, boundary="open"), window),
    }


def measure(boundary, call, window):
    single = IMAGES.astype(np.float32)
    times = {"peer": [], "plain": []}
    for turn in range(ROUNDS + 1):
        for name, contender in (("peer", call), ("plain", lambda: plain(single, boundary))):
            begun = time.perf_counter(), time.process_time()
            result = contender()
            if turn:
                times[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
            if name == "peer":
                found = result
    wall, processor = ({name: median(pair[i] for pair in pairs) for name, pairs in times.items()} for i in (0, 1))
    return {
        "milliseconds": round(1e3 * wall["peer"], 1),
        "ratio": round(wall["peer"] / wall["plain"], 2),
        "processor ratio": round(processor["peer"] / processor["plain"], 2),
        "largest difference": None if window is None else float(f"{abs(window(found) - exact(boundary)).max():.1e}"),
    }


if __name__ == "__main__":
    package = sys.argv[1]
    rows = {"porespy": porespy, "pymks": pymks, "mcrpy": mcrpy, "microtutor": microtutor}[package]()
    print(json.dumps({"version": version(package), "rows": {title: measure(*row) for title, row in rows.items()}}))
