"""Images whose properties are worth testing."""

import math

import torch

F64 = torch.float64


def random_image(height, width, seed=0, fraction=0.5, dtype=F64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(height, width, generator=generator) < fraction).to(dtype)


def blobs(size, seed=0, smooth=4.0, n=1, fraction=0.5):
    """Smooth noise, the given fraction of it, (n, size, size): a material with structures of several pixels."""
    frequency = torch.fft.fftfreq(size, dtype=F64)
    filtered = torch.exp(-2 * (math.pi * smooth) ** 2 * (frequency[:, None] ** 2 + frequency**2))
    noise = torch.randn(n, size, size, generator=torch.Generator().manual_seed(seed), dtype=F64)
    field = torch.fft.ifft2(torch.fft.fft2(noise) * filtered).real
    return (field > field.flatten(1).quantile(1 - fraction, dim=1)[:, None, None]).double()


def symmetric_image(size, seed=0, dtype=F64):
    """A two-valued image that a quarter turn leaves as it is."""
    noise = torch.randint(1000, (size, size), generator=torch.Generator().manual_seed(seed))
    turned = torch.stack([noise.rot90(i) for i in range(4)]).sum(0)
    return (turned > turned.median()).to(dtype)
