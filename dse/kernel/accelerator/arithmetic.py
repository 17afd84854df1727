"""Arithmetic and random numbers of `dse.kernel.arithmetic` in kernels, formula by formula; the sources stand there."""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import triton
import triton.language as tl

IS_INTERPRETED = not isinstance(tl.zeros, triton.runtime.JITFunction)
"""Whether Triton's own functions, and so kernels, are interpreted in this process."""
EXACT = {"enable_fp_fusion": False}
"""How kernels are launched: products and sums are rounded one by one, as on the processor."""

GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
MIX1 = tl.constexpr(0xBF58476D1CE4E5B9)
MIX2 = tl.constexpr(0x94D049BB133111EB)
SMALLEST_SCALE = tl.constexpr(1e-30)
MAGNITUDE = tl.constexpr(0x7FFFFFFF)
"""Bits of a float32 without its sign, which are in the order of magnitudes, what is no number above all others."""


@triton.jit
def magnitude_of(x):
    """Return the magnitude of float32 as the integer that its bits are."""
    return x.to(tl.int32, bitcast=True) & MAGNITUDE


@triton.jit
def rint_of(x):
    """Return the nearest whole number, of two as near the even one."""
    size = tl.abs(x)
    whole = (size + 8388608.0) - 8388608.0
    whole = tl.where(size < 8388608.0, whole, size)
    return tl.where(x < 0.0, -whole, whole)


@triton.jit
def trunc_of(x):
    """Return the whole number toward zero."""
    return tl.where(x < 0.0, tl.ceil(x), tl.floor(x))


@triton.jit
def log_of(t):
    """Return the natural logarithm of a positive float32."""
    j = t.to(tl.int32, bitcast=True) - 0x3F3504F3
    exponent = j >> 23
    f = ((j & 0x007FFFFF) + 0x3F3504F3).to(tl.float32, bitcast=True) - 1.0
    z = f * f
    p = f * 7.0376836292e-2 - 1.1514610310e-1
    p = p * f + 1.1676998740e-1
    p = p * f - 1.2420140846e-1
    p = p * f + 1.4249322787e-1
    p = p * f - 1.6668057665e-1
    p = p * f + 2.0000714765e-1
    p = p * f - 2.4999993993e-1
    p = p * f + 3.3333331174e-1
    return f + (f * z * p - 0.5 * z) + exponent.to(tl.float32) * 0.69314718056


@triton.jit
def exp_of(x):
    """Return e^x for a float32, cut to x in [-87, 88]."""
    x = tl.where(x < -87.0, -87.0, x)
    x = tl.where(x > 88.0, 88.0, x)
    n = rint_of(x * 1.44269504089)
    r = x - n * 0.693359375
    r = r + n * 2.12194440e-4
    p = r * 1.9875691500e-4 + 1.3981999507e-3
    p = p * r + 8.3334519073e-3
    p = p * r + 4.1665795894e-2
    p = p * r + 1.6666665459e-1
    p = p * r + 5.0000001201e-1
    return (p * r * r + r + 1.0) * ((n.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def bits_of(key, counter):
    """Return 32 random bits for a counter of a stream, key and counter being uint64."""
    z = key + counter * GOLDEN
    z = (z ^ (z >> 30)) * MIX1
    z = (z ^ (z >> 27)) * MIX2
    return ((z ^ (z >> 31)) >> 32).to(tl.uint32)


@triton.jit
def uniform_of(key, counter):
    """Return a float32 in (0, 1) on 2^24 levels."""
    return ((bits_of(key, counter) >> 8).to(tl.int32).to(tl.float32) + 0.5) * 5.9604644775390625e-08


@triton.jit
def normal_of(key, counter):
    """Return a standard normal float32."""
    bits = bits_of(key, counter)
    k = (bits >> 8).to(tl.int32)
    q = (33554431 - (k + k)).to(tl.float32) * 2.9802322387695312e-08
    w = -log_of(q * (2.0 - q))
    x = (k.to(tl.float32) + 0.5) * 5.9604644775390625e-08
    a = w - 2.5
    p = a * 2.81022636e-08 + 3.43273939e-07
    p = p * a - 3.5233877e-06
    p = p * a - 4.39150654e-06
    p = p * a + 0.00021858087
    p = p * a - 0.00125372503
    p = p * a - 0.00417768164
    p = p * a + 0.246640727
    p = p * a + 1.50140941
    c = tl.sqrt_rn(tl.abs(w)) - 3.0
    r = c * -0.000200214257 + 0.000100950558
    r = r * c + 0.00134934322
    r = r * c - 0.00367342844
    r = r * c + 0.00573950773
    r = r * c - 0.0076224613
    r = r * c + 0.00943887047
    r = r * c + 1.00167406
    r = r * c + 2.83297682
    magnitude = tl.where(w < 5.0, p, r) * (x * 1.41421356237)
    return tl.where((bits & 1) != 0, -magnitude, magnitude)


@triton.jit
def key_at(table):
    """Return the key of a stream that is kept as int64."""
    return tl.load(table).to(tl.uint64, bitcast=True)
