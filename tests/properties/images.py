"""Images whose properties are worth testing."""

import torch

from microtutor.microstructures import GaussianFields

F64 = torch.float64


def random_image(height, width, seed=0, fraction=0.5, dtype=F64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(height, width, generator=generator) < fraction).to(dtype)


def blobs(size, seed=0, length=5.6, n=1, fraction=0.5):
    """Smooth noise, exactly the given fraction of it, (n, size, size): structures of several pixels."""
    field = GaussianFields(length=length, size=size).sample(n, seed=seed).field[:, 0].double()
    return (field > field.flatten(1).quantile(1 - fraction, dim=1)[:, None, None]).double()


def symmetric_image(size, seed=0, dtype=F64):
    """A two-valued image that a quarter turn leaves as it is."""
    noise = torch.randint(1000, (size, size), generator=torch.Generator().manual_seed(seed))
    turned = torch.stack([noise.rot90(i) for i in range(4)]).sum(0)
    return (turned > turned.median()).to(dtype)
