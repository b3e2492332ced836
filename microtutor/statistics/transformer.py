"""Two-point statistics as a step of scikit-learn pipelines: images in, one row of numbers for each out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from microtutor.checks import check_array as checked_array
from microtutor.checks import check_bool, check_count, check_phase, check_spacing, describe, is_masked, quote
from microtutor.statistics.correlations import autocorrelation, cross_correlation
from microtutor.statistics.fft import Boundary, checked_pairs
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
        ndim: number of spatial axes: with 3, X holds volumes, (n, D, H, W) or (n, phases, D, H, W), and so do shape,
            mask, and the maps.
        spacing: size of a pixel along each axis, for radial averages, see `radial_average`.
        dtype: "float32" or "float64"; by default float64 for a float64 X, and float32 for any other.
        mask: confidence in each pixel, in [0, 1], shape (H, W), the same for all images; as for `autocorrelation`.
        missing: take NaN in X for pixels that are not known, in any of the phases: a mask for each image. The mask of a
            numpy.ma array says the same, with or without this. Under any kind of mask, features of shifts that no pair
            of known pixels has are NaN; choose max_shift below them.

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
        ndim: int = 2,
        spacing: float | Sequence[float] = 1.0,
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
        self.ndim = ndim
        self.spacing = spacing

    def fit(self, X: Any, y: None = None) -> TwoPointStatistics:
        """Note the shape of the images, and check that the choices go with them.

        Args:
            X: images, shape (n, H, W) or (n, phases, H, W), or (n, H*W) if `shape` is given.
            y: ignored.

        Raises:
            TypeError, ValueError: X is empty, not finite or of another shape, or its values are no phases, or phases
                that do not add up to 1; a choice is unknown, or does not go with the images.
        """
        self._check_choices()
        images, weight = self._known(self._images(X, reset=True))
        self._check_values(images, weight)
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
        self._check_values(images, weight)
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

    def _check_choices(self) -> None:
        """Raise for what can be seen to be wrong before the images are looked at."""
        if self.dtype not in (None, "float32", "float64"):
            raise ValueError(f"expected dtype to be 'float32', 'float64' or None, got {quote(self.dtype)}")
        for name in ("centred", "radial", "missing"):
            check_bool(getattr(self, name), name=name)
        check_count(self.ndim, name="ndim")
        check_spacing(self.spacing, self.ndim)

    def _images(self, X: Any, *, reset: bool) -> Tensor:
        """X as a tensor (n, H, W) or (n, phases, H, W), after scikit-learn's checks of its rows."""
        dtype: Any = self.dtype or ["float32", "float64"]  # of a list, what is not in it becomes the first
        X, finite = self._with_its_mask(X)
        shape = None if reset else self.image_shape_
        try:
            if (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) > 2:
                X = check_array(X, dtype=dtype, allow_nd=True, ensure_all_finite=finite, input_name="X", estimator=self)
                shape = shape or X.shape[1:]
                if X.shape[1:] != shape or X.ndim > self.ndim + 2:
                    raise ValueError(self._wanted(reset, X))
                X = X.reshape(len(X), -1)
            X = validate_data(self, X, dtype=dtype, ensure_all_finite=finite, reset=reset)
        except (TypeError, ValueError) as error:
            raise type(error)(self._in_one_sentence(error, X, reset)) from None
        if reset:
            self.image_shape_ = shape or self._shape_of_rows(X.shape[1])
        images = torch.from_numpy(np.require(X, requirements=["C", "W"])).reshape(-1, *self.image_shape_)
        return images[:, 0] if self._has_channels(images) and images.shape[1] == 1 else images

    def _with_its_mask(self, X: Any) -> tuple[Any, Any]:
        """X with NaN where it brings a mask that hides something, and what scikit-learn shall say to NaN."""
        if isinstance(X, Tensor):
            X = (X.float() if X.dtype == torch.bfloat16 else X).detach().cpu().numpy()
        if is_masked(X) and hasattr(X, "compute"):
            X = X.compute()
        if isinstance(X, np.ma.MaskedArray):
            hidden, values = np.ma.getmaskarray(X), np.asarray(X.data)
            kept = values[~hidden]
            if self.missing or kept.dtype.kind != "f" or np.isfinite(kept).all():
                dtype = values.dtype if values.dtype.kind == "f" else np.float32
                return np.where(hidden, np.nan, values).astype(dtype), "allow-nan"
        return X, "allow-nan" if self.missing else True

    def _wanted(self, reset: bool, X: Any) -> str:
        space = "H, W" if self.ndim == 2 else "D, H, W" if self.ndim == 3 else "..."
        fitted = "" if reset else ", ".join(map(str, self.image_shape_))
        wanted = f"(n, {fitted})" if fitted else f"(n, {space}) or (n, phases, {space})"
        shape = getattr(X, "shape", None)
        return f"expected images of shape {wanted}, got {describe(X) if shape is None else tuple(shape)}"

    def _in_one_sentence(self, error: Exception, X: Any, reset: bool) -> str:
        """What scikit-learn says to images that it refuses, after what was expected."""
        if isinstance(X, (list, tuple)) and all(hasattr(image, "shape") for image in X):
            shapes = list(dict.fromkeys(tuple(image.shape) for image in X))
            if len(shapes) > 1:
                return (
                    "expected images of one shape, as their statistics become rows of one table, got "
                    f"{shapes[0]} and {shapes[1]}; cut them to one size, or take microtutor.tables.picture_table for "
                    "pictures of any size"
                )
        told = " ".join(str(error).split())
        return told if told.startswith("expected") else f"{self._wanted(reset, X)}: {told}"

    def _has_channels(self, images: Tensor) -> bool:
        return images.ndim == self.ndim + 2

    def _known(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images without NaN, and the confidence in their pixels (n, H, W) if there is a mask."""
        unknown = images.isnan()
        if self.mask is None and not self.missing and not bool(unknown.any()):
            return images, None
        weight = torch.ones_like(images[:, 0] if self._has_channels(images) else images)
        if self.mask is not None:
            mask = torch.as_tensor(checked_array(self.mask, name="mask")).double()
            if mask.shape != weight.shape[1:]:
                raise ValueError(
                    f"expected a mask of shape {tuple(weight.shape[1:])}, as the images, got {tuple(mask.shape)}"
                )
            weight = weight * mask
        weight = weight.masked_fill(unknown.any(1) if self._has_channels(images) else unknown, 0)
        return images.masked_fill(unknown, 0), weight

    def _shape_of_rows(self, size: int) -> tuple[int, ...]:
        """The shape of one image, given as a row."""
        if self.shape is None:
            raise ValueError(
                f"expected images of shape (n, H, W) or (n, phases, H, W), got rows of {size} numbers; to have each "
                "row taken as an image, give its shape=(H, W)"
            )
        shape = tuple(self.shape) if isinstance(self.shape, Sequence) and not isinstance(self.shape, str) else ()
        if not all(isinstance(n, Integral) for n in shape):
            shape = ()
        if shape.count(-1) == 1:
            rest = -math.prod(shape)
            shape = tuple(size // rest if n == -1 and rest > 0 else n for n in shape)
        if len(shape) not in (self.ndim, self.ndim + 1) or math.prod(shape) != size or min(shape) < 1:
            space = "D, H, W" if self.ndim == 3 else "H, W"
            raise ValueError(
                f"expected shape as ({space}) or (phases, {space}) of {size} numbers, got {quote(self.shape)}"
            )
        return shape

    def _number_of_phases(self) -> int:
        channels = self.image_shape_[0] if len(self.image_shape_) == self.ndim + 1 else 1
        if channels > 1 and self.phases not in (None, channels):
            raise ValueError(f"expected X with a channel for each of {self.phases} phases, got {channels} channels")
        if channels > 1:
            return channels
        return 2 if self.phases is None else check_count(self.phases, name="phases", minimum=2)

    def _chosen_pairs(self) -> tuple[tuple[int, int], ...]:
        known = range(self._number_of_phases())
        if self.pairs is None:
            return tuple(itertools.combinations_with_replacement(known[1:], 2))
        pairs = checked_pairs(self.pairs, len(known))
        if not pairs:
            raise ValueError(f"expected pairs (i, j) of the phases 0 to {known[-1]}, got {quote(self.pairs)}")
        return tuple(pairs)

    def _check_values(self, images: Tensor, weight: Tensor | None) -> None:
        """Raise ValueError unless images hold labels, or indicators in [0, 1] that sum to 1 over all phases."""
        count, channels = self._number_of_phases(), self._has_channels(images)
        if channels or count == 2:
            check_phase(images, ndim=self.ndim)
        elif (images != images.round()).any() or images.min() < 0 or images.max() >= count:
            low, high = images.aminmax()
            raise ValueError(
                f"expected labels 0 to {count - 1}, one for each phase, got values from {low:g} to {high:g}"
            )
        if channels:
            sums = images.sum(1) if weight is None else torch.where(weight > 0, images.sum(1), 1)
            low, high = sums.aminmax()
            if low < 1 - 1e-3 or high > 1 + 1e-3:
                raise ValueError(
                    f"expected the {count} phases of each pixel to sum to 1, got sums from {low:.4g} to {high:.4g}; "
                    f"if axis 1 is no axis of phases but one of space, say ndim={self.ndim + 1}"
                )

    def _statistics(self, images: Tensor, weight: Tensor | None) -> Iterator[Tensor]:
        """The maps (n, H, W), or radial averages (n, radii), of one pair of phases after the other."""
        options: dict[str, Any] = {"boundary": self.boundary, "max_shift": self.max_shift, "centred": self.centred}
        options |= {"mask": weight, "ndim": self.ndim}
        for i, j in self.pairs_:
            first = self._phase(images, i)
            if i == j:
                f = autocorrelation(first, **options)
            else:
                f = cross_correlation(first, self._phase(images, j), **options)
            if self.radial:
                f = radial_average(f, centred=self._is_centred(), ndim=self.ndim, spacing=self.spacing)
            yield f

    def _phase(self, images: Tensor, i: int) -> Tensor:
        """The indicator of phase i, (n, H, W)."""
        if self._has_channels(images):
            return images[:, i]
        if self._number_of_phases() > 2:
            return (images == i).to(images)
        return images if i == 1 else 1 - images
