"""The two halves of the VAE: encoders from an image to features, decoders from latents to an image."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from microtutor.checks import check_bool, check_choice, check_count

ENCODERS = ("compact", "resnet18", "resnet50", "resnet152")
DECODERS = ("compact", "paper")
MOST = 2**16  # pixels along a side, latents or channels: more are a mistake, and no memory holds them
STAGES = 2  # halvings of the side after the first, coarse convolution


def patch_side(size: int) -> int:
    """Side of the patches that the compact encoder starts from and the compact decoder ends in, in pixels."""
    return 8 if size >= 128 else 4


def widths(channels: int) -> tuple[int, int, int]:
    """Feature channels at each resolution, finest first."""
    return channels, 2 * channels, 2 * channels


def _norm_act(channels: int) -> list[nn.Module]:
    return [nn.GroupNorm(min(8, channels), channels), nn.SiLU()]


class CompactEncoder(nn.Sequential):
    """Patches, then two halvings: (batch, 1, size, size) to (batch, 256) features."""

    features = 256

    def __init__(self, size: int, channels: int):
        patch, width = patch_side(size), widths(channels)
        side = size // patch // 2**STAGES
        layers: list[nn.Module] = [nn.Conv2d(1, width[0], patch, stride=patch), *_norm_act(width[0])]
        for wide, wider in itertools.pairwise(width):
            layers += [nn.Conv2d(wide, wider, 3, stride=2, padding=1), *_norm_act(wider)]
        layers += [nn.Flatten(), nn.Linear(width[-1] * side * side, self.features), nn.SiLU()]
        super().__init__(*layers)


class CompactDecoder(nn.Sequential):
    """The mirror image: (batch, latent_dim) to (batch, 1, size, size) in [0, 1], drawn pixel by pixel."""

    def __init__(self, latent_dim: int, size: int, channels: int):
        patch, width = patch_side(size), widths(channels)
        side = size // patch // 2**STAGES
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, 256),
            nn.SiLU(),
            nn.Linear(256, width[-1] * side * side),
            nn.Unflatten(1, (width[-1], side, side)),
            *_norm_act(width[-1]),
        ]
        for wide, narrow in zip(width[:0:-1], width[-2::-1], strict=True):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1), *_norm_act(narrow)]
        layers += [nn.Conv2d(width[0], patch * patch, 3, padding=1), nn.PixelShuffle(patch)]
        layers += [nn.Conv2d(1, 1, 5, padding=2), nn.Sigmoid()]
        super().__init__(*layers)

    def forward(self, input: Tensor) -> Tensor:
        """From latent vectors, (batch, latent_dim), to images, (batch, 1, size, size), in [0, 1]."""
        for layer in self:
            input = layer(input)
            if isinstance(layer, nn.Unflatten):  # channels last: convolutions are three times as fast on a processor
                input = input.contiguous(memory_format=torch.channels_last)
        return input


class ResNetEncoder(nn.Module):
    """A torchvision ResNet without its last layer, and two dense layers: the paper's encoder is resnet152, frozen.

    Grey images are spread to three channels by a learned 1 x 1 convolution and normalised as ImageNet's. A frozen
    ResNet keeps its weights, not the running statistics of its batch norms: they follow the images in training mode, as
    in the paper's published code.
    """

    features = 1024

    def __init__(self, name: str, *, pretrained: bool, frozen: bool):
        super().__init__()
        from torchvision import models  # here only: importing microtutor does not need torchvision

        try:
            self.backbone = models.get_model(name, weights="DEFAULT" if pretrained else None)
        except OSError as error:
            raise OSError(
                f"cannot download the ImageNet weights of {name} ({error}); "
                "connect to the internet once, or use pretrained=False"
            ) from error
        width: int = self.backbone.fc.in_features  # type: ignore[assignment]
        self.backbone.fc = nn.Identity()
        self.backbone.requires_grad_(not frozen)
        self.to_colour = nn.Conv2d(1, 3, 1)
        self.register_buffer("colour_mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("colour_spread", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        layers: list[nn.Module] = []
        for wide in (width, self.features):
            layers += [nn.Linear(wide, self.features), nn.BatchNorm1d(self.features, momentum=0.01), nn.ReLU()]
        self.dense = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """From images, (batch, 1, size, size), to the numbers of the bottleneck, one row for each."""
        colour = (self.to_colour(images) - self.colour_mean) / self.colour_spread
        return self.dense(self.backbone(colour))


class PaperDecoder(nn.Module):
    """The paper's decoder: latents to 3 x 39 x 39, bilinear enlargement, 1 x 1 convolution, sigmoid."""

    def __init__(self, latent_dim: int, size: int):
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        for wide in (latent_dim, 1024):
            layers += [nn.Linear(wide, 1024), nn.BatchNorm1d(1024, momentum=0.01), nn.ReLU()]
        layers += [nn.Unflatten(1, (64, 4, 4))]
        for wide, narrow in ((64, 32), (32, 8)):  # 4 -> 9 -> 19 pixels
            layers += [nn.ConvTranspose2d(wide, narrow, 3, stride=2), nn.BatchNorm2d(narrow, momentum=0.01), nn.ReLU()]
        layers += [nn.ConvTranspose2d(8, 3, 3, stride=2), nn.BatchNorm2d(3, momentum=0.01)]  # 39 pixels
        self.coarse = nn.Sequential(*layers)
        self.to_grey = nn.Conv2d(3, 1, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """From latent vectors, (batch, latent_dim), to images, (batch, 1, size, size), in [0, 1]."""
        enlarged = nn.functional.interpolate(self.coarse(latents), size=(self.size, self.size), mode="bilinear")
        return self.to_grey(enlarged).sigmoid()


def check_network(
    *,
    latent_dim: int,
    encoder: str,
    decoder: str,
    size: int,
    channels: int,
    canonical: bool,
    pretrained: bool,
    frozen: bool,
    noise_dim: int,
) -> None:
    """Raise TypeError or ValueError unless these choices make a `VAE`, whose documentation tells what they are."""
    for name, value, minimum in (
        ("noise_dim", noise_dim, 0),
        ("latent_dim", latent_dim, 1),
        ("size", size, 1),
        ("channels", channels, 1),
    ):
        if check_count(value, name=name, minimum=minimum) > MOST:
            raise ValueError(f"expected {name} of at most {MOST}, got {value}")
    check_choice(encoder, ENCODERS, name="encoder")
    check_choice(decoder, DECODERS, name="decoder")
    check_bool(canonical, name="canonical")
    check_bool(pretrained, name="pretrained")
    check_bool(frozen, name="frozen")
    if encoder == "compact" and (pretrained or frozen):
        asked = "pretrained" if pretrained else "frozen"
        raise ValueError(f"expected {asked}=True with a ResNet encoder only, got encoder='compact'")
    step = patch_side(size) * 2**STAGES
    if "compact" in (encoder, decoder) and size % step:
        nearest = max(1, round(size / step)) * step
        raise ValueError(f"expected size as a multiple of {step} pixels, got {size}; crop or resize to {nearest}")
    if channels % min(8, channels):
        raise ValueError(f"expected channels below 8 or a multiple of 8, got {channels}")
