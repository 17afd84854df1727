"""How wide the vectors of compiled code are."""

from collections.abc import Callable
from typing import Any, cast

from numba import types
from numba.extending import intrinsic


def _widest(_: Any) -> Any:
    """Let the function that calls this be compiled for the widest vectors that a processor has.

    LLVM leaves vectors of 512 bits alone unless a function asks for them, for the sake of processors that lower their
    clock for these. It pays where a loop has many operations for each number that it takes from memory, as random
    numbers do: on a Xeon (AVX-512) a normal number takes three quarters of the time. No result changes: what is done to
    one number does not depend on how many go side by side. Processors without such vectors are not concerned.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001  as numba calls it
        # llvmlite lists the attributes without a value alone, and writes down what it is given.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


widest = cast("Callable[[], None]", intrinsic(_widest))
