"""What makes a GPU's program wait: the value of a tensor is asked for, or how many there are of a kind."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
ASKING = {
    ATEN._local_scalar_dense.default,
    ATEN.is_nonzero.default,
    ATEN.nonzero.default,
    ATEN.masked_select.default,
    ATEN.equal.default,
}
INDEXING = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default}


class NoQuestions(TorchDispatchMode):
    """Fails at the first of them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        assert func not in ASKING, func
        if func in INDEXING:
            assert not any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]), func
        return func(*args, **(kwargs or {}))
