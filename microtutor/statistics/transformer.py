"""Two-point statistics as a step of scikit-learn pipelines: images in, one row of numbers for each out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from microtutor.checks import check_count, check_phase
from microtutor.statistics.correlations import autocorrelation, cross_correlation
from microtutor.statistics.products import Boundary
from microtutor.statistics.readings import radial_average


class TwoPointStatistics(TransformerMixin, BaseEstimator):
    """The two-point statistics of images as features, for pipelines such as statistics, PCA, regression.

    Fitting learns nothing but the shape of the images.

    Args:
        phases: number of phases. By default as many as X has channels, or two if X has none: then X is the indicator
            of phase 1, in [0, 1], and phase 0 is the rest. From three on, X without channels holds labels 0, 1, ...
        pairs: pairs (i, j) of phases to correlate, phase i at x with phase j at x + r. By default all with
            1 <= i <= j: from these (for a periodic boundary) all others follow by sums.
        boundary: "periodic" or "open", or one of them for each axis, as for `autocorrelation`.
        max_shift: keep only shifts of at most this many pixels along each axis.
        centred: order the shifts of a map with zero in the middle (with max_shift always) instead of first.
        radial: average over directions, see `radial_average`: one feature for each length of shift.
        shape: shape of one image if X comes as rows, (H, W) or (phases, H, W); one entry may be -1, whatever fits.
        dtype: "float32" or "float64"; by default float64 for a float64 X, and float32 for any other.
        mask: confidence in each pixel, in [0, 1], shape (H, W), the same for all images; as for `autocorrelation`.
        missing: take NaN in X for pixels that are not known, in any of the phases: a mask for each image. Under either
            kind of mask, features of shifts that no pair of known pixels has are NaN; choose max_shift below them.

    Attributes:
        n_features_in_: numbers in one image.
        image_shape_: (H, W), or (phases, H, W) if X has channels.
        pairs_: the pairs of phases, in the order of the features.
        map_shape_: one row of features as maps: (pairs, height, width), with radial=True (pairs, radii).

    >>> images = np.eye(4)[None]
    >>> statistics = TwoPointStatistics(radial=True).fit(images)
    >>> statistics.transform(images)
    array([[0.25  , 0.0625, 0.    ]])
    >>> TwoPointStatistics(max_shift=1).fit(images).get_feature_names_out()[:4].tolist()
    ['f(-1,-1)', 'f(-1,0)', 'f(-1,1)', 'f(0,-1)']
    """

    n_features_in_: int
    image_shape_: tuple[int, ...]

    def __init__(
        self,
        *,
        phases: int | None = None,
        pairs: Sequence[tuple[int, int]] | None = None,
        boundary: Boundary | Sequence[Boundary] = "periodic",
        max_shift: int | None = None,
        centred: bool = False,
        radial: bool = False,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
        mask: Any = None,
        missing: bool = False,
    ) -> None:
        self.phases = phases
        self.pairs = pairs
        self.boundary = boundary
        self.max_shift = max_shift
        self.centred = centred
        self.radial = radial
        self.shape = shape
        self.dtype = dtype
        self.mask = mask
        self.missing = missing

    def fit(self, X: Any, y: None = None) -> TwoPointStatistics:
        """Note the shape of the images, and check that the choices go with them.

        Args:
            X: images, shape (n, H, W) or (n, phases, H, W), or (n, H*W) if `shape` is given.
            y: ignored.

        Raises:
            ValueError: X is empty, not finite or of another shape, or its values are no phases; a choice is unknown,
                or does not go with the images.
        """
        images, weight = self._known(self._images(X, reset=True))
        self._check_values(images)
        self.pairs_ = self._chosen_pairs()
        first = next(self._statistics(images[:1], None if weight is None else weight[:1]))
        self.map_shape_ = (len(self.pairs_), *first.shape[1:])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The statistics of each image, shape (n, features), pair after pair of phases.

        Args:
            X: images of the shape that `fit` has seen, or the same as rows.
        """
        check_is_fitted(self)
        images, weight = self._known(self._images(X, reset=False))
        self._check_values(images)
        return np.concatenate([f.flatten(1).numpy() for f in self._statistics(images, weight)], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names such as "f(1,-2)": one row down and two columns to the left; with radial=True "f(3)", the radius.

        With several pairs of phases "f[1,2](1,-2)".

        Args:
            input_features: ignored but for their number.
        """
        check_is_fitted(self)
        if input_features is not None and len(input_features) != self.n_features_in_:
            raise ValueError(
                f"input_features should have length equal to the number of features, {self.n_features_in_}, "
                f"got {len(input_features)}"
            )
        steps = [self._shifts(n) for n in self.map_shape_[1:]]
        places = [f"({','.join(map(str, place))})" for place in itertools.product(*steps)]
        kinds = ["f"] if len(self.pairs_) == 1 else [f"f[{i},{j}]" for i, j in self.pairs_]
        return np.array([kind + place for kind, place in itertools.product(kinds, places)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = self.missing
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _shifts(self, n: int) -> list[int]:
        """The shifts, or radii, along an axis of n, in the order of the features."""
        if self.radial:
            return list(range(n))
        first = [*range((n + 1) // 2), *range(-(n // 2), 0)]
        return sorted(first) if self._is_centred() else first

    def _is_centred(self) -> bool:
        return self.centred or self.max_shift is not None

    def _images(self, X: Any, *, reset: bool) -> Tensor:
        """X as a tensor (n, H, W) or (n, phases, H, W), after scikit-learn's checks of its rows."""
        if self.dtype not in (None, "float32", "float64"):
            raise ValueError(f"expected dtype to be 'float32', 'float64' or None, got {self.dtype!r}")
        dtype: Any = self.dtype or ["float32", "float64"]  # of a list, what is not in it becomes the first
        finite: Any = "allow-nan" if self.missing else True
        shape = None if reset else self.image_shape_
        if (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) > 2:
            X = check_array(X, dtype=dtype, allow_nd=True, ensure_all_finite=finite, input_name="X", estimator=self)
            shape = shape or X.shape[1:]
            if X.shape[1:] != shape or X.ndim > 4:
                wanted = "(n, H, W) or (n, phases, H, W)" if reset else f"(n, {', '.join(map(str, shape))})"
                raise ValueError(f"expected images of shape {wanted}, got {X.shape}")
            X = X.reshape(len(X), -1)
        X = validate_data(self, X, dtype=dtype, ensure_all_finite=finite, reset=reset)
        if reset:
            self.image_shape_ = shape or self._shape_of_rows(X.shape[1])
        images = torch.from_numpy(np.require(X, requirements=["C", "W"])).reshape(-1, *self.image_shape_)
        return images[:, 0] if images.ndim == 4 and images.shape[1] == 1 else images

    def _known(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images without NaN, and the confidence in their pixels (n, H, W) if there is a mask."""
        if self.mask is None and not self.missing:
            return images, None
        weight = torch.ones_like(images if images.ndim == 3 else images[:, 0])
        if self.mask is not None:
            mask = torch.as_tensor(np.asarray(self.mask, dtype=np.float64))
            if mask.shape != weight.shape[1:]:
                raise ValueError(
                    f"expected a mask of shape {tuple(weight.shape[1:])}, as the images, got {tuple(mask.shape)}"
                )
            weight = weight * mask
        unknown = images.isnan()
        weight = weight.masked_fill(unknown if images.ndim == 3 else unknown.any(1), 0)
        return images.masked_fill(unknown, 0), weight

    def _shape_of_rows(self, size: int) -> tuple[int, ...]:
        """The shape of one image, given as a row."""
        if self.shape is None:
            raise ValueError(
                f"expected images of shape (n, H, W) or (n, phases, H, W), got rows of {size} numbers; to have each "
                "row taken as an image, give its shape=(H, W)"
            )
        shape = tuple(self.shape)
        if shape.count(-1) == 1:
            rest = -math.prod(shape)
            shape = tuple(size // rest if n == -1 and rest > 0 else n for n in shape)
        if len(shape) not in (2, 3) or math.prod(shape) != size or min(shape) < 1:
            raise ValueError(f"expected shape as (H, W) or (phases, H, W) of {size} numbers, got {self.shape!r}")
        return shape

    def _number_of_phases(self) -> int:
        channels = self.image_shape_[0] if len(self.image_shape_) == 3 else 1
        if channels > 1 and self.phases not in (None, channels):
            raise ValueError(f"expected X with a channel for each of {self.phases} phases, got {channels} channels")
        if channels > 1:
            return channels
        return 2 if self.phases is None else check_count(self.phases, name="phases", minimum=2)

    def _chosen_pairs(self) -> tuple[tuple[int, int], ...]:
        known = range(self._number_of_phases())
        if self.pairs is None:
            return tuple(itertools.combinations_with_replacement(known[1:], 2))
        pairs = [tuple(pair) for pair in self.pairs]
        if not pairs or any(len(pair) != 2 or not set(pair) <= set(known) for pair in pairs):
            raise ValueError(f"expected pairs (i, j) of the phases 0 to {known[-1]}, got {self.pairs!r}")
        return tuple((int(i), int(j)) for i, j in pairs)

    def _check_values(self, images: Tensor) -> None:
        """Raise ValueError unless images hold labels, or indicators in [0, 1]."""
        count = self._number_of_phases()
        if images.ndim == 4 or count == 2:
            check_phase(images)
        elif (images != images.round()).any() or images.min() < 0 or images.max() >= count:
            low, high = images.aminmax()
            raise ValueError(
                f"expected labels 0 to {count - 1}, one for each phase, got values from {low:g} to {high:g}"
            )

    def _statistics(self, images: Tensor, weight: Tensor | None) -> Iterator[Tensor]:
        """The maps (n, H, W), or radial averages (n, radii), of one pair of phases after the other."""
        options: dict[str, Any] = {"boundary": self.boundary, "max_shift": self.max_shift, "centred": self.centred}
        options["mask"] = weight
        for i, j in self.pairs_:
            first = self._phase(images, i)
            if i == j:
                f = autocorrelation(first, **options)
            else:
                f = cross_correlation(first, self._phase(images, j), **options)
            yield radial_average(f, centred=self._is_centred()) if self.radial else f

    def _phase(self, images: Tensor, i: int) -> Tensor:
        """The indicator of phase i, (n, H, W)."""
        if images.ndim == 4:
            return images[:, i]
        if self._number_of_phases() > 2:
            return (images == i).to(images)
        return images if i == 1 else 1 - images
