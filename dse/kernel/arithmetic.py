"""The ground of the compiled path: arithmetic that is the same on every processor, and random numbers as functions.

Everything here is built from additions, multiplications, shifts, roundings and square roots of fixed width in a fixed
order, so that neither the vector width of a processor nor its mathematics library changes a bit of a result.

A random number is a function of the key of its stream and of a counter that says which draw it is (which cell, which
pulse of its life). So the order in which draws are made does not matter, and a draw that nothing depends on can be
left out. The counter goes through the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014); a normal number is the
inverse of the distribution, with the single-precision polynomials of M. Giles ("Approximating the erfinv function", GPU
Computing Gems, 2011) and at most 5.4 standard deviations.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

from dse.kernel.kept import keep_compiled

_njit = cast("Callable[..., Callable[[Any], Any]]", numba.njit)

Function = TypeVar("Function", bound=Callable[..., Any])
Floats = NDArray[np.float32]
Counters = NDArray[np.int64]
Ints32 = NDArray[np.int32]

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
GOLDEN, MIX1, MIX2 = u64(0x9E3779B97F4A7C15), u64(0xBF58476D1CE4E5B9), u64(0x94D049BB133111EB)
LARGEST_NORMAL = 5.5
"""No normal number has a larger magnitude: 24 bits of a magnitude end at 5.42."""
NORMALS_BLOCK = 256


def compiled(function: Function) -> Function:
    """Compile a function for one thread, without reordering of sums, and keep the code on the disk."""
    made = _njit(error_model="numpy", fastmath=False)(function)
    keep_compiled(made)
    return cast("Function", made)


def inlined(function: Function) -> Function:
    """Compile a small function into its callers, so that loops over it can use vector instructions."""
    return cast("Function", _njit(inline="always", error_model="numpy", fastmath=False)(function))


def _array_at(element: Any, dimensions: int) -> Any:
    """Return a function for compiled code: (address, sizes...) -> the array there, in C order, which owns nothing."""
    kind = types.Array(element, dimensions, "C")
    populate = cast("Callable[..., None]", arrayobj.populate_array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(kind)(context, builder)
        sizes = [
            context.cast(builder, size, given, types.intp)
            for size, given in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        width = context.get_constant(types.intp, element.bitwidth // 8)
        strides = [width] if dimensions == 1 else [builder.mul(sizes[1], width), width]
        populate(
            array,
            data=builder.inttoptr(arguments[0], array.data.type),
            shape=sizes,
            strides=strides,
            itemsize=width,
            meminfo=None,
        )
        return array._getvalue()  # noqa: SLF001  numba's own name for "as a value"

    if dimensions == 1:

        @intrinsic
        def vector(_: Any, address: Any, size: Any) -> Any:
            return kind(address, size), generate

        return vector

    @intrinsic
    def matrix(_: Any, address: Any, rows: Any, cols: Any) -> Any:
        return kind(address, rows, cols), generate

    return matrix


# Arrays at an address. The state of a layer is a record of addresses, because handing a tuple of twenty arrays from
# function to function costs more than what many a function does with them, and takes a compiler half a minute.
floats_at = _array_at(types.float32, 1)
float_rows_at = _array_at(types.float32, 2)
ints_at = _array_at(types.int64, 1)
words_at = _array_at(types.int32, 1)
word_rows_at = _array_at(types.int32, 2)
bytes_at = _array_at(types.uint8, 1)


@inlined
def bits_of(key: Any, counter: Any) -> Any:
    """Return 32 random bits for a counter of a stream, both uint64."""
    z = key + counter * GOLDEN
    z = (z ^ (z >> u64(30))) * MIX1
    z = (z ^ (z >> u64(27))) * MIX2
    return u32((z ^ (z >> u64(31))) >> u64(32))


@inlined
def log_of(t: Any) -> Any:
    """Return the natural logarithm of a positive float32, to 1e-7 (Cephes' polynomial)."""
    j = i32(f32(t).view(np.int32) - i32(0x3F3504F3))
    exponent = i32(j >> i32(23))
    f = i32((j & i32(0x007FFFFF)) + i32(0x3F3504F3)).view(np.float32) - f32(1.0)
    z = f * f
    p = f32(7.0376836292e-2)
    p = p * f - f32(1.1514610310e-1)
    p = p * f + f32(1.1676998740e-1)
    p = p * f - f32(1.2420140846e-1)
    p = p * f + f32(1.4249322787e-1)
    p = p * f - f32(1.6668057665e-1)
    p = p * f + f32(2.0000714765e-1)
    p = p * f - f32(2.4999993993e-1)
    p = p * f + f32(3.3333331174e-1)
    return f + (f * z * p - f32(0.5) * z) + f32(exponent) * f32(0.69314718056)


@inlined
def clipped(x: Any, low: Any, high: Any) -> Any:
    """Return x cut to [low, high]; written out, because min and max keep vector instructions from being used."""
    x = low if x < low else x
    return high if x > high else x


@inlined
def exp_of(x: Any) -> Any:
    """Return e^x for a float32, cut to x in [-87, 88], to 2e-7 relative (Cephes' polynomial)."""
    x = clipped(x, f32(-87.0), f32(88.0))
    n = np.rint(x * f32(1.44269504089))
    r = x - n * f32(0.693359375)
    r = r + n * f32(2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    return (p * r * r + r + f32(1.0)) * i32((i32(n) + i32(127)) << i32(23)).view(np.float32)


@inlined
def sigmoid_of(x: Any) -> Any:
    """Return 1 / (1 + e^-x) for a float32."""
    return f32(1.0) / (f32(1.0) + exp_of(-x))


@inlined
def uniform_of(key: Any, counter: Any) -> Any:
    """Return a float32 in (0, 1) on 2^24 levels."""
    return (f32(i32(bits_of(key, counter) >> u32(8))) + f32(0.5)) * f32(2.0**-24)


@inlined
def _depth_of(bits: Any) -> Any:
    """Return -ln(1 - x^2) for the magnitude x in (0, 1) that random bits stand for."""
    k = i32(bits >> u32(8))
    # 1 - x without the rounding that would end the tail early.
    q = f32(i32(i32(33554431) - i32(k + k))) * f32(2.0**-25)
    return -log_of(q * (f32(2.0) - q))


@inlined
def _normal_at(bits: Any, w: Any) -> Any:
    """Return the normal number that random bits stand for; `w` is their `_depth_of`."""
    x = (f32(i32(bits >> u32(8))) + f32(0.5)) * f32(2.0**-24)
    a = w - f32(2.5)
    p = f32(2.81022636e-08)
    p = f32(3.43273939e-07) + p * a
    p = f32(-3.5233877e-06) + p * a
    p = f32(-4.39150654e-06) + p * a
    p = f32(0.00021858087) + p * a
    p = f32(-0.00125372503) + p * a
    p = f32(-0.00417768164) + p * a
    p = f32(0.246640727) + p * a
    p = f32(1.50140941) + p * a
    c = np.sqrt(np.abs(w)) - f32(3.0)
    r = f32(-0.000200214257)
    r = f32(0.000100950558) + r * c
    r = f32(0.00134934322) + r * c
    r = f32(-0.00367342844) + r * c
    r = f32(0.00573950773) + r * c
    r = f32(-0.0076224613) + r * c
    r = f32(0.00943887047) + r * c
    r = f32(1.00167406) + r * c
    r = f32(2.83297682) + r * c
    # A sum with a factor of zero and one of one chooses without a branch, which would keep vectors from being used.
    near = f32(w < f32(5.0))
    magnitude = (p * near + r * (f32(1.0) - near)) * (x * f32(1.41421356237))
    return magnitude * f32(i32(1) - i32(i32(bits & u32(1)) * i32(2)))


@inlined
def normal_of(key: Any, counter: Any) -> Any:
    """Return a standard normal float32."""
    bits = bits_of(key, counter)
    return _normal_at(bits, _depth_of(bits))


@compiled
def _normals(key: Any, counters: Counters, out: Floats) -> None:
    for j in range(out.size):
        out[j] = normal_of(key, u64(counters[j]))


@compiled
def fill_normals(key: Any, first: int, out: Floats) -> None:
    """Fill an array with the normal numbers of a stream at the counters from `first`.

    In three passes over blocks: a chain of dependent operations as long as the whole would leave a processor waiting.
    """
    bits, depth = np.empty(NORMALS_BLOCK, np.uint32), np.empty(NORMALS_BLOCK, np.float32)
    for start in range(0, out.size, NORMALS_BLOCK):
        part = out[start : start + NORMALS_BLOCK]
        for j in range(part.size):
            bits[j] = bits_of(key, u64(first + start + j))
        for j in range(part.size):
            depth[j] = _depth_of(bits[j])
        for j in range(part.size):
            part[j] = _normal_at(bits[j], depth[j])


@compiled
def _uniform_range(key: Any, first: int, out: Floats) -> None:
    for j in range(out.size):
        out[j] = uniform_of(key, u64(first + j))


@compiled
def _sigmoid(x: Floats, out: Floats) -> None:
    for j in range(out.size):
        out[j] = sigmoid_of(x[j])


@compiled
def _exponential(x: Floats, out: Floats) -> None:
    for j in range(out.size):
        out[j] = exp_of(x[j])


@compiled
def _sum(x: Any) -> float:
    total = 0.0
    for j in range(x.size):
        total += x[j]
    return total


@compiled
def _power(x: Floats, exponent: Floats, out: Floats) -> None:
    for j in range(out.size):
        out[j] = exp_of(exponent[j] * log_of(x[j]))


def normals(key: int, counters: Counters) -> Floats:
    """Return the normal numbers of a stream at given counters, float32, of their shape."""
    out = np.empty(counters.size, np.float32)
    _normals(u64(key), np.ascontiguousarray(counters).reshape(-1), out)
    return out.reshape(counters.shape)


def normal_range(key: int, first: int, count: int) -> Floats:
    """Return the normal numbers of a stream at the counters from `first`, float32, shape (count,)."""
    out = np.empty(count, np.float32)
    fill_normals(u64(key), first, out)
    return out


def uniform_range(key: int, first: int, count: int) -> Floats:
    """Return the uniform numbers in (0, 1) of a stream at the counters from `first`, float32, shape (count,)."""
    out = np.empty(count, np.float32)
    _uniform_range(u64(key), first, out)
    return out


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x), float32, of the shape of x."""
    out = np.empty(x.size, np.float32)
    _sigmoid(np.ascontiguousarray(x).reshape(-1), out)
    return out.reshape(x.shape)


def power(x: Floats, exponent: Floats) -> Floats:
    """Return x^exponent, entry by entry, for positive x, float32, of the shape of x."""
    out = np.empty(x.size, np.float32)
    _power(np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(exponent).reshape(-1), out)
    return out.reshape(x.shape)


def exponential(x: Floats) -> Floats:
    """Return e^x, entry by entry, float32, of the shape of x."""
    out = np.empty(x.size, np.float32)
    _exponential(np.ascontiguousarray(x).reshape(-1), out)
    return out.reshape(x.shape)


def ordered_sum(x: NDArray[Any]) -> float:
    """Return the sum of all entries in double precision, in their order; Python's own sum may correct its rounding."""
    return _sum(np.ascontiguousarray(x).reshape(-1))


def mean(x: Floats) -> float:
    """Return the mean of all entries, summed in double precision in their order."""
    return ordered_sum(x) / x.size
