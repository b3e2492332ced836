"""Distances between images: in statistics space, in data space, and the weighted sum a VAE is trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from microtutor.checks import check_choice, check_field, check_number, check_phase, check_same_shape
from microtutor.statistics.fft import (
    full_precision,
    image_of,
    parts_for_cache,
    power_of,
    spectrum_of,
    squared_modulus,
)

__all__ = [
    "StatisticsLoss",
    "WeightedLoss",
    "aligned_correlation",
    "amplitude_loss",
    "data_loss",
    "greyness",
    "kl_divergence",
]

Reduction = Literal["mean", "sum", "none"]


class StatisticsLoss(nn.Module):
    """Squared difference of the periodic two-point autocorrelations of two images, without an inverse FFT.

    With f = irfft2(P), P = |rfft2(m)|^2 / N, Parseval's theorem turns the sum over shifts into a sum over frequencies:

        sum_r (f(r) - f'(r))^2 = 1/N sum_k (P_k - P'_k)^2

    Args:
        reduction: "mean" over all shifts and images (the statistics error), "sum" over both, or "none": one mean over
            shifts per image.
        soft_indicator: width of the Gaussian by which the paper's code turns grey values into a phase indicator,
            exp(-(1 - m)^2 / (2 width^2)); None (the default) takes the images as they are, exact on {0, 1}.

    Its gradient is computed beside it, a constant to autograd: there are no second derivatives, and no `torch.func`.

    Shape: reconstruction and target (..., H, W); a scalar, or (...) with reduction "none".

    Source: arXiv 2402.11103, eq. 1; Parseval's theorem.

    >>> a, b = torch.eye(2), torch.zeros(2, 2)
    >>> StatisticsLoss()(a, b)  # f_a is 0.5 at two of four shifts, f_b is 0
    tensor(0.1250)
    >>> StatisticsLoss()(a, torch.zeros(3, 3))
    Traceback (most recent call last):
    ValueError: expected reconstruction and target of the same shape, got (2, 2) and (3, 3)
    """

    def __init__(self, reduction: Reduction = "mean", *, soft_indicator: float | None = None):
        super().__init__()
        self.reduction = check_choice(reduction, ("mean", "sum", "none"), name="reduction")
        self.soft_indicator = check_number(soft_indicator, name="soft_indicator", above=0, optional=True)

    def spectrum(self, images: Tensor) -> Tensor:
        """The power spectrum that stands for an image in the loss: compute it once for a target that stays.

        >>> loss, target = StatisticsLoss(), torch.eye(4)
        >>> cached = loss.spectrum(target)
        >>> bool(loss(torch.ones(4, 4), target_spectrum=cached) == loss(torch.ones(4, 4), target))
        True
        """
        return self._spectrum(check_field(images, empty=True))

    def _spectrum(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            images = self._indicator(images)
            if images.requires_grad or images.ndim < 3 or not len(images):
                return power_of(images, 2)
            flat = images.reshape(-1, *images.shape[-2:])
            parts = parts_for_cache(len(flat), math.prod(flat.shape[-2:]), flat)
            return torch.cat([power_of(flat[part], 2) for part in parts]).unflatten(0, images.shape[:-2])

    def _indicator(self, images: Tensor) -> Tensor:
        images = full_precision(images)
        if self.soft_indicator is None:
            return images
        return torch.exp(-((1 - images) ** 2) / (2 * self.soft_indicator**2))

    def forward(
        self, reconstruction: Tensor, target: Tensor | None = None, *, target_spectrum: Tensor | None = None
    ) -> Tensor:
        """The error of a reconstruction; of the target, its `spectrum` is enough. In plain lines it is, for each image,

            power, wanted = (fft2(m).abs().square() / N for m in (reconstruction, target))
            error = (power - wanted).square().sum((-2, -1)) / N**2

        `spectral_error` gives the same with half of the frequencies, and the gradient in the same pass.
        """
        check_field(reconstruction, name="reconstruction")
        if target is not None and target_spectrum is not None:
            raise TypeError("expected either target or target_spectrum, got both")
        if target is not None:
            check_same_shape(reconstruction, check_field(target, name="target"), ("reconstruction", "target"))
            target_spectrum = self._spectrum(target)
        if target_spectrum is None:
            raise TypeError("expected either target or target_spectrum, got neither")
        error, _ = spectral_error(self._indicator(reconstruction), target_spectrum, statistics=1.0)
        if self.reduction == "none":
            return error
        return error.mean() if self.reduction == "mean" else error.sum() * math.prod(reconstruction.shape[-2:])


class _SpectralError(torch.autograd.Function):
    """statistics * S + amplitude * A per image, with its gradient found on the way; S and A alone stand beside it.

        S = sum_k (P_k - P'_k)^2 / N^2         dS/dm = 4 irfft2((P - P') F) / N^2
        A = sum_k (|F_k| - |F'_k|)^2 / N       dA/dm = 2 irfft2((1 - |F'| / |F|) F)

    Plain autograd gives the same numbers; here each chunk of images stays in the processor's cache, and the spectrum
    is at hand when the gradient needs it, which takes a fraction of the time.
    """

    @staticmethod
    def forward(ctx, images: Tensor, target: Tensor, statistics: float, amplitude: float) -> tuple[Tensor, ...]:
        shape, (height, width) = images.shape, images.shape[-2:]
        pixels = height * width
        target = target.expand(*shape[:-2], height, width // 2 + 1)
        terms = images.new_zeros(2, images[..., 0, 0].numel())
        gradient = torch.empty_like(images, memory_format=torch.contiguous_format) if ctx.needs_input_grad[0] else None
        flat, wanted = images.reshape(-1, height, width), target.reshape(-1, height, width // 2 + 1)
        for part in parts_for_cache(len(flat), pixels, flat.detach()):
            spectrum = spectrum_of(flat[part], 2)
            power = squared_modulus(spectrum).div_(pixels)
            slope: Tensor | int = 0
            if statistics:
                difference = power - wanted[part]
                terms[0, part] = sum_over_frequencies(difference.square(), width) / pixels**2
                slope = difference.mul_(4 * statistics / pixels**2)
            if amplitude:
                made, meant = _amplitude(power, pixels), _amplitude(wanted[part], pixels)
                terms[1, part] = sum_over_frequencies((made - meant).square(), width) / pixels
                slope = slope + (1 - meant.div_(made)).mul_(2 * amplitude)
            if gradient is not None:
                gradient.view(-1, height, width)[part] = image_of(spectrum.mul_(slope), shape[-2:])
        ctx.weights = statistics, amplitude
        ctx.save_for_backward(gradient, *((images, target) if ctx.needs_input_grad[1] else ()))
        terms = terms.reshape(2, *shape[:-2])
        ctx.mark_non_differentiable(terms)
        return statistics * terms[0] + amplitude * terms[1], terms

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradient, *inputs = ctx.saved_tensors
        upstream = upstream[..., None, None]
        to_target = None
        if inputs:
            (images, target), (statistics, amplitude) = inputs, ctx.weights
            power, pixels = power_of(images, 2), images.shape[-1] * images.shape[-2]
            slope = 2 * statistics * (target - power) / pixels**2
            slope = slope + amplitude * (1 - _amplitude(power, pixels) / _amplitude(target, pixels))
            to_target = upstream * _multiplicity(images.shape[-1], target) * slope
        return None if gradient is None else upstream * gradient, to_target, None, None


def _amplitude(power: Tensor, pixels: int) -> Tensor:
    """|F| from P = |F|^2 / N, as sqrt(|F|^2 + 1e-3), so that the gradient exists at 0."""
    return (power * pixels + 1e-3).sqrt()


def spectral_error(
    made: Tensor, target_spectrum: Tensor, *, statistics: float = 0.0, amplitude: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Weighted error of spectra per image, and its two terms unweighted, without gradient: see `_SpectralError`."""
    check_field(target_spectrum, name="target_spectrum", finite=False)
    expected = (*made.shape[:-1], made.shape[-1] // 2 + 1)
    if target_spectrum.shape != expected:
        raise ValueError(f"expected target_spectrum of shape {expected}, got {tuple(target_spectrum.shape)}")
    with torch.autocast(made.device.type, enabled=False):
        return _SpectralError.apply(full_precision(made), target_spectrum, statistics, amplitude)


def amplitude_loss(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Squared difference of spectral amplitudes, sum_k (|F_k| - |F'_k|)^2 / N, mean over images.

    It sees what the statistics see, but weighs weak frequencies more, and its gradient does not vanish where the
    reconstruction is nearly constant. |F| is sqrt(|F|^2 + 1e-3), so that the gradient exists at 0.

    >>> amplitude_loss(torch.eye(4), torch.eye(4).roll(1, 0))
    tensor(0.)
    """
    check_same_shape(check_field(reconstruction), check_field(target), ("reconstruction", "target"))
    return spectral_error(reconstruction, StatisticsLoss().spectrum(target), amplitude=1.0)[0].mean()


def data_loss(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Squared difference of pixels, summed over the image, mean over images: the plain VAE's loss.

    >>> data_loss(torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2))
    tensor(4.)
    """
    check_field(reconstruction, name="reconstruction", finite=False)
    check_same_shape(reconstruction, check_field(target, name="target", finite=False), ("reconstruction", "target"))
    with torch.autocast(reconstruction.device.type, enabled=False):
        return (full_precision(reconstruction) - full_precision(target)).square().sum((-2, -1)).mean()


def aligned_correlation(a: Tensor, b: Tensor) -> Tensor:
    """The largest correlation of two images over all cyclic shifts and inversion, shape (...).

    1 for equivalent images, which differ by a shift or an inversion only; small for images that share no more than
    their statistics; 0 if an image is constant. Where both have the variance v, the mean squared difference after best
    alignment is 2 v (1 - correlation). Differentiable: a step that lowers it pulls two images apart.

    Args:
        a, b: shape (..., H, W).

    >>> image = torch.eye(4); image[0, 1] = 1
    >>> round(aligned_correlation(image, image.roll(1, 0).flip((0, 1))).item(), 3)
    1.0
    """
    check_same_shape(check_field(a), check_field(b), ("the first image", "the second"))
    return _aligned_correlation(a, b)


def _aligned_correlation(a: Tensor, b: Tensor) -> Tensor:
    """`aligned_correlation` of images that are known to be such."""
    with torch.autocast(a.device.type, enabled=False):
        a, b = (full_precision(m) - full_precision(m).mean((-2, -1), keepdim=True) for m in (a, b))
        first, second = rfft2(a), rfft2(b)
        upright, inverted = (irfft2(s * second, s=a.shape[-2:]).amax((-2, -1)) for s in (first.conj(), first))
        spread = a.square().sum((-2, -1)) * b.square().sum((-2, -1))
        pixels = math.prod(a.shape[-2:])
        return torch.maximum(upright, inverted) / (spread + (1e-6 * pixels) ** 2).sqrt()


def greyness(m: Tensor) -> Tensor:
    """How far an image is from black and white: the mean of 4 m (1 - m), shape (...), from 0 to 1 for all 0.5.

    Args:
        m: shape (..., H, W), values in [0, 1].

    >>> greyness(torch.tensor([[0.0, 1.0], [0.5, 0.5]]))
    tensor(0.5000)
    """
    m = full_precision(check_phase(m))
    return (4 * m * (1 - m)).mean((-2, -1))


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1): summed over latents, mean over images.

    Args:
        mean, log_variance: shape (batch, latent_dim).

    Returns:
        Scalar, in nats.

    Source: Kingma & Welling (2014), appendix B.

    >>> kl_divergence(torch.tensor([[1., 0.]]), torch.zeros(1, 2))
    tensor(0.5000)
    """
    check_field(mean, name="mean", finite=False)
    check_same_shape(mean, check_field(log_variance, name="log_variance", finite=False), ("mean", "log_variance"))
    mean, log_variance = full_precision(mean), full_precision(log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1).mean()


@dataclass(frozen=True)
class WeightedLoss:
    """What a VAE is trained on: alpha * statistics + amplitude * amplitudes + data * pixels + beta * KL, per image.

    With grey_penalty above 0, also grey_penalty * sum m (1 - m) over the pixels m of the reconstruction, which costs
    nothing where they are black or white. If its decoder takes noise, also, for two images decoded from the same latent
    vector, diversity * max(0, log((1 - max_correlation) / (1 - aligned_correlation))).

    Attributes:
        alpha: weight of the squared statistics difference, summed over all shifts.
        beta: weight of the KL divergence.
        amplitude: weight of `amplitude_loss`.
        data: weight of `data_loss`.
        grey_penalty: weight of grey values in the reconstruction.
        soft_indicator: width of the soft phase indicator in both spectral terms; see `StatisticsLoss`.
        diversity: weight of the `aligned_correlation` of the two halves of the batch, which must have been decoded from
            the same latents with different noise.
        max_correlation: how alike they may be at no cost.

    A term of weight 0 is not computed.

    >>> import types
    >>> latents = {"mean": torch.ones(1, 2), "log_variance": torch.zeros(1, 2)}
    >>> output = types.SimpleNamespace(reconstruction=torch.eye(2)[None, None], **latents)
    >>> total, terms = WeightedLoss(alpha=2.0, beta=1.0)(output, torch.zeros(1, 1, 2, 2))
    >>> total, {name: round(value.item(), 3) for name, value in terms.items()}
    (tensor(2.), {'kl': 1.0, 'statistics': 0.5})
    """

    alpha: float = 2000.0
    beta: float = 1.0
    amplitude: float = 0.0
    data: float = 0.0
    grey_penalty: float = 0.0
    soft_indicator: float | None = None
    diversity: float = 0.0
    max_correlation: float = 0.3

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "amplitude", "data", "grey_penalty", "diversity"):
            check_number(getattr(self, name), name=name, minimum=0)
        check_number(self.max_correlation, name="max_correlation", minimum=0, below=1)
        check_number(self.soft_indicator, name="soft_indicator", above=0, optional=True)

    def __call__(self, output, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar, and its unweighted terms, detached.

        Args:
            output: has reconstruction (batch, 1, H, W), mean and log_variance (batch, latent_dim).
            target: (batch, 1, H, W).

        Raises:
            TypeError, ValueError: they are no float tensors of images of one shape, the target is not finite, or the
                batch has no two finite halves where their correlation is asked for.
        """
        check_field(target, name="target")
        if self.diversity:
            check_field(output.reconstruction, name="reconstruction")
        return self.of(output, target)

    def of(self, output, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As a call, but without a look at the numbers, for which a program waits until a GPU has done its work."""
        made = output.reconstruction
        check_field(made, name="reconstruction", finite=False)
        check_same_shape(made, target, ("the reconstruction", "the target"))
        terms = {"kl": kl_divergence(output.mean, output.log_variance)}
        total = self.beta * terms["kl"]
        if self.alpha or self.amplitude:
            loss, pixels = StatisticsLoss(soft_indicator=self.soft_indicator), math.prod(target.shape[-2:])
            error, (statistics, amplitude) = spectral_error(
                loss._indicator(made),
                loss._spectrum(target),
                statistics=self.alpha * pixels,
                amplitude=self.amplitude,
            )
            total = total + error.mean()
            if self.alpha:
                terms["statistics"] = statistics.mean() * pixels
            if self.amplitude:
                terms["amplitude"] = amplitude.mean()
        if self.data:
            terms["data"] = data_loss(made, target)
            total = total + self.data * terms["data"]
        if self.grey_penalty:
            m = full_precision(made)
            terms["grey_penalty"] = (m * (1 - m)).sum((-2, -1)).mean()
            total = total + self.grey_penalty * terms["grey_penalty"]
        if self.diversity:
            if len(made) % 2:
                raise ValueError(f"expected an even batch, two images of each latent vector, got {len(made)} images")
            alike = _aligned_correlation(*made.chunk(2))
            terms["aligned_correlation"] = alike.mean()
            # The logarithm, because the correlation alone is flat where two images are equal: nothing would part them.
            alike = ((1 - self.max_correlation) / ((1 - alike).clamp_min(0) + 1e-4)).log()
            total = total + self.diversity * alike.relu().mean()
        return total, {name: value.detach() for name, value in terms.items()}


def _multiplicity(width: int, like: Tensor) -> Tensor:
    """How often each column of rfft2's half spectrum stands in the whole: twice, but the first and Nyquist's once."""
    times = torch.full((width // 2 + 1,), 2.0, dtype=like.dtype, device=like.device)
    times[0] = 1
    if width % 2 == 0:
        times[-1] = 1
    return times


def sum_over_frequencies(values: Tensor, width: int) -> Tensor:
    """Sum over all frequencies, given the half that rfft2 keeps."""
    return (values.sum(-2) * _multiplicity(width, values)).sum(-1)
