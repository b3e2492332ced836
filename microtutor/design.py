"""Structures with a wanted property: latents found by gradients through solver and decoder, then cut to two phases.

A draw z of the prior is moved to where the property P of its decoded, cut image is the wanted one. With the slope g of
P and the covariance C of the prior, the move

    z <- z + C g (P_wanted - P) / (g . C g)

is the least one in units of the prior; and what earlier moves changed without need is taken back by and by. Were P
linear and the prior normal, the ends would be draws of the prior under the condition that P is the wanted one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from microtutor.checks import check_choice, check_count, check_instance, check_number, describe
from microtutor.models import VAE, Prior
from microtutor.models.vae import check_vae, evaluation_mode
from microtutor.properties import effective_conductivity
from microtutor.reconstruction.flips import brightest

NAMED = ("conductivity", "anisotropy")
LEVELS = (0.2, 0.8)  # between these grey values a pixel may go to either phase
NEAR = 0.01  # relative error at which the level of the cut takes over from the latents
LONGEST = 1.5  # step in the latents, in units of the prior
BACK, FADE = 0.5, 0.85  # share of a detour that each move takes back, and by how much that falls from move to move
SHARPNESS = 10.0  # of the smooth cut that stands in for the sharp one in the gradient
DRAWS = 1000  # of the prior: for its covariance, and to tell what is usual
USUAL = 0.01  # share of the draws that may be less probable than a usual structure

Property = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Designs:
    """Structures that were searched for, each with what it cost and how good it is.

    Attributes:
        images: (n, 1, size, size) in {0, 1}.
        latents: (n, latent_dim); decoded and cut at `levels` they give the images.
        levels: the grey value at which each image was cut, (n,).
        values: the property of each image, as solved after the cut, (n,).
        target: the wanted property.
        tolerance: the relative error that counts as a hit.
        calls: how many times the property was computed for each image, (n,).
        typicality: share of the draws of the prior that are less probable than these latents, (n,).
    """

    images: Tensor
    latents: Tensor
    levels: Tensor
    values: Tensor
    target: float
    tolerance: float
    calls: Tensor
    typicality: Tensor

    @property
    def errors(self) -> Tensor:
        """Relative errors |P - P_wanted| / |P_wanted|, (n,)."""
        return (self.values / self.target - 1).abs()

    @property
    def hits(self) -> Tensor:
        """Whether each structure has the wanted property within the tolerance, (n,) bool."""
        return self.errors <= self.tolerance

    @property
    def usual(self) -> Tensor:
        """Whether its latents are no less probable than the last 1 % of what the prior draws, (n,) bool."""
        return self.typicality >= USUAL

    def rows(self) -> list[dict[str, float | int | bool]]:
        """One row for each structure, as it goes into a table or a file."""
        columns = {
            "value": self.values,
            "error": self.errors,
            "hit": self.hits,
            "volume_fraction": self.images.mean((1, 2, 3)),
            "level": self.levels,
            "typicality": self.typicality,
            "calls": self.calls,
        }
        made = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [{"number": i + 1} | dict(zip(columns, row, strict=True)) for i, row in enumerate(made)]

    def table(self) -> str:
        """The structures as text, and one sentence on how many were found or how near the search came."""
        lines = [f"wanted {self.target:.4g}{'property':>12}{'error':>9}{'fraction':>10}{'level':>7}{'calls':>7}"]
        for row, usual in zip(self.rows(), self.usual.tolist()):
            hit = "" if row["hit"] else "  missed"
            lines.append(
                f"{row['number']:<{len(f'wanted {self.target:.4g}')}}{row['value']:>12.5g}{row['error']:>9.2%}"
                f"{row['volume_fraction']:>10.3f}{row['level']:>7.2f}{row['calls']:>7}{hit}"
                f"{'' if usual else '  unusual'}"
            )
        return "\n".join([*lines, self.verdict()])

    def verdict(self) -> str:
        """How many were found, or how near the search came, in one sentence."""
        found = int(self.hits.sum())
        if not found:
            nearest = int(self.errors.argmin())
            return (
                f"None of {len(self.values)} searches found {self.target:.4g}: the nearest structure has "
                f"{self.values[nearest]:.4g}, which is {self.errors[nearest]:.1%} off."
            )
        unusual = int((self.hits & ~self.usual).sum())
        rare = f", {unusual} of them unlike what the network has seen" if unusual else ""
        return f"{found} of {len(self.values)} structures have {self.target:.4g} within {self.tolerance:.2g}{rare}."


def design(
    vae: VAE,
    target: float,
    *,
    property: str | Property = "conductivity",
    contrast: float = 10.0,
    n: int = 5,
    steps: int = 40,
    tolerance: float = 2e-3,
    prior: Prior | None = None,
    seed: int = 0,
) -> Designs:
    """Find different two-phase structures with a wanted property, each near to a draw of the prior of its own.

    The latents are moved until the cut image is within 1 % of the target. Each move costs one solve: the derivative by
    the pixels is the adjoint one, and goes back through a smooth cut and the decoder. Then the level of the cut moves
    a little from 0.5, which changes single pixels at the boundary of the phase. Values are always those of the image
    of two phases, solved again after its last change.

    Args:
        vae: a trained VAE without decoder noise.
        target: the wanted property.
        property: "conductivity", the mean of K_xx and K_yy; "anisotropy", K_xx / K_yy; or a differentiable function
            from phase images (n, H, W) to numbers (n,).
        contrast: of the two named properties: what the phase conducts, in units of the matrix.
        n: how many structures.
        steps: how often at most the property of each is computed.
        tolerance: relative error at which a structure is good enough.
        prior: of the latents; by default that of the weights, `vae.prior`.
        seed: of the draws to start from.

    Raises:
        TypeError: an argument is of another type.
        ValueError: no structure at all can have the target, the weights have no prior, or it is one of other latents.

    >>> from microtutor.models import VAE
    >>> design(VAE.from_pretrained("lines-1-4"), 12.0)
    Traceback (most recent call last):
    ValueError: expected a conductivity above 1 and below 10, between which that of every structure lies, got 12
    """
    check_vae(vae)
    measure = property_named(property, contrast)
    target = _check_target(target, property, contrast)
    for name, number in (("n", n), ("steps", steps)):
        check_count(number, name=name)
    check_count(seed, name="seed", minimum=0)
    tolerance = check_number(tolerance, name="tolerance", above=0, below=1)
    if vae.noise_dim:
        raise ValueError(
            f"expected a decoder without noise, got one with noise_dim={vae.noise_dim}; take other weights"
        )
    prior = _check_prior(vae, prior)
    draws = prior.sample(max(n, DRAWS), seed=seed)
    with evaluation_mode(vae), torch.inference_mode(False), torch.enable_grad():
        start = draws[:n].to(next(vae.parameters()))
        search = _Search(vae, measure, target, start, torch.cov(draws.T).reshape(vae.latent_dim, -1).to(start), steps)
        for near in (max(NEAR, tolerance), tolerance):  # the second time round, what the cut could not mend
            search.move(near)
            search.trim(tolerance)
    density = prior.log_density(search.best_latents.to(draws))
    typicality = (prior.log_density(draws) < density[:, None]).float().mean(1)
    return Designs(
        images=search.best_images[:, None],
        latents=search.best_latents,
        levels=search.levels,
        values=search.best,
        target=target,
        tolerance=tolerance,
        calls=search.calls,
        typicality=typicality,
    )


def property_named(property: str | Property, contrast: float = 10.0) -> Property:
    """The function of phase images (n, H, W) behind the name of a property, or the function itself.

    >>> layers = torch.tensor([[[0.0, 1.0]]])  # 2 / (1 + 1 / 10) across, 5.5 along
    >>> property_named("anisotropy", 10.0)(layers)
    tensor([0.3306])
    """
    check_number(contrast, name="contrast", above=0)
    if callable(property):
        return property
    check_choice(property, NAMED, name="property, if it is no function,")
    if contrast == 1:
        raise ValueError("expected a contrast other than 1, got 1: every structure then conducts the same")

    def measure(images: Tensor) -> Tensor:
        x, y = effective_conductivity(images, (1.0, contrast)).diagonal(dim1=-2, dim2=-1).unbind(-1)
        return (x + y) / 2 if property == "conductivity" else x / y

    return measure


def _check_target(target: float, property: str | Property, contrast: float) -> float:
    """Return a target that some structure may have, or raise ValueError: the bounds of Voigt and Reuss exclude it.

    >>> _check_target(9.0, "anisotropy", 10.0)
    Traceback (most recent call last):
    ValueError: expected an anisotropy above 0.3306 and below 3.025, between which that of every structure lies, got 9
    """
    wanted = check_number(target, name="target")
    if callable(property):
        if wanted == 0:
            raise ValueError("expected a target other than 0, of which no relative error can be told, got 0")
        return wanted
    if property == "conductivity":
        low, high, article = min(1.0, contrast), max(1.0, contrast), "a"
    else:  # layers of equal thickness are the most anisotropic: Voigt's bound over Reuss's
        high, article = (1 + contrast) ** 2 / (4 * contrast), "an"
        low = 1 / high
    if not low < wanted < high:
        raise ValueError(
            f"expected {article} {property} above {low:.4g} and below {high:.4g}, between which that of every "
            f"structure lies, got {wanted:g}"
        )
    return wanted


def _check_prior(vae: VAE, prior: Prior | None) -> Prior:
    """Return the prior to draw from, that of the weights if none is given, or raise an error that says why not."""
    prior = vae.prior if prior is None else prior
    if prior is None:
        raise ValueError("expected weights with a fitted prior, got weights without one; fit it with Prior.fit")
    if check_instance(prior, Prior, name="prior").latent_dim != vae.latent_dim:
        raise ValueError(
            f"expected a prior of {vae.latent_dim} latents, as the network has them, got one of {prior.latent_dim}"
        )
    return prior


def _check_values(values: Tensor, images: Tensor) -> Tensor:
    """Return what a property says of images (n, H, W), or raise an error unless it is one finite number for each.

    >>> _check_values(torch.ones(2), torch.zeros(2, 4, 4))
    tensor([1., 1.])
    """
    if not isinstance(values, Tensor) or values.shape != images.shape[:1]:
        raise ValueError(
            f"expected property to give one number for each of {len(images)} images, got {describe(values)}"
        )
    if not bool(values.isfinite().all()):
        raise ValueError("expected property to give finite numbers, got NaN or infinity")
    if images.requires_grad and not values.requires_grad:
        raise ValueError("expected property to be differentiable by the pixels, got numbers without a gradient")
    return values


class _Search:
    """The state of n searches at once: where each is, the best that it met, and what it has cost."""

    def __init__(self, vae: VAE, measure: Property, target: float, start: Tensor, covariance: Tensor, most: int):
        self.vae, self.measure, self.target, self.covariance, self.most = vae, measure, target, covariance, most
        self.start, self.latents = start.detach(), start.detach().clone()
        self.calls = torch.zeros(len(start), dtype=torch.int64, device=start.device)
        self.best = torch.full_like(start[:, 0], torch.inf)
        self.best_latents = self.latents.clone()
        self.best_images = start.new_zeros(len(start), vae.size, vae.size)
        self.levels = torch.full_like(self.best, 0.5)

    @property
    def errors(self) -> Tensor:
        """Relative error of the best of each."""
        return (self.best / self.target - 1).abs()

    def open(self, tolerance: float) -> Tensor:
        """Numbers of the searches that are not there yet, and may go on."""
        return ((self.errors > tolerance) & (self.calls < self.most)).nonzero()[:, 0]

    def move(self, near: float) -> None:
        """Move latents until the cut images are near the target."""
        while len(now := self.open(near)):
            z = self.latents[now].requires_grad_()
            grey = self.vae.decode(z)[:, 0]
            cut = (grey.detach() > 0.5).to(grey).requires_grad_()
            value = self.solve(now, cut, torch.full_like(z[:, 0], 0.5))
            (by_pixel,) = torch.autograd.grad(value.sum(), cut)
            (slope,) = torch.autograd.grad(torch.sigmoid(SHARPNESS * (grey - 0.5)), z, by_pixel)
            along = slope @ self.covariance
            size = (slope * along).sum(1).clamp_min(torch.finfo(z.dtype).tiny).sqrt()
            back = self.start[now] - z.detach()
            back = back - ((slope * back).sum(1) / size.square())[:, None] * along  # the part that leaves P as it is
            length = ((self.target - value.detach()) / size).clamp(-LONGEST, LONGEST)
            share = BACK * FADE ** self.calls[now].to(z)
            self.latents[now] = z.detach() + (length / size)[:, None] * along + share[:, None] * back

    @torch.no_grad()
    def trim(self, tolerance: float) -> None:
        """Move the level of the cut: a secant search for the number of pixels that belong to the phase."""
        grey = self.vae.decode(self.best_latents)[:, 0]
        high, low = ((grey > level).flatten(1).sum(1) for level in LEVELS)
        count = self.best_images.flatten(1).sum(1).long()
        old_count, old = count.clone(), self.best.clone()
        count = (count + (0.02 * count).long().clamp_min(1) * (self.target - old).sign().long()).clamp(low, high)
        while len(now := self.open(tolerance)) and bool((moved := count[now] != old_count[now]).any()):
            now = now[moved]
            cut = brightest(grey[now], count[now][:, None])
            level = torch.where(cut > 0, grey[now], torch.inf).flatten(1).amin(1)
            value = self.solve(now, cut, level, latents=self.best_latents[now])
            rise = (value - old[now]) / (count[now] - old_count[now])
            step = torch.where(rise != 0, (self.target - value) / rise, 0).nan_to_num(0).round().long()
            old[now], old_count[now] = value, count[now]
            count[now] = (count[now] + step).clamp(low[now], high[now])

    def solve(self, now: Tensor, cut: Tensor, level: Tensor, latents: Tensor | None = None) -> Tensor:
        """Properties of cut images of the searches `now`; the best of each is kept."""
        value = _check_values(self.measure(cut), cut)
        self.calls[now] += 1
        found = value.detach()
        better = (found / self.target - 1).abs() < self.errors[now]
        chosen = now[better]
        self.best[chosen], self.levels[chosen] = found[better], level[better]
        self.best_images[chosen] = cut.detach()[better]
        self.best_latents[chosen] = (self.latents[now] if latents is None else latents)[better]
        return value
