"""Images on their way into a network: from bytes to normalised floats, moved and mirrored."""

from typing import Any

from dse.kernel.arithmetic import compiled, f32


@compiled
def present_images(
    images: Any, chosen: Any, down: Any, right: Any, mirrored: Any, values: Any, height: int, width: int, out: Any
) -> None:
    """Write images as floats, moved by some pixels, mirrored or not; what comes in from outside is 0.

    Args:
        images: bytes, shape (images, channels * height * width).
        chosen: which images, int64, shape (samples,).
        down: pixels by which each is moved down, up if negative, int64, shape (samples,).
        right: pixels by which it is moved to the right.
        mirrored: whether it is mirrored from left to right, bool.
        values: the float that stands for each byte in each channel, float32, shape (channels, 256).
        height: rows of an image.
        width: columns of an image.
        out: float32, shape (samples, channels, height, width).
    """
    for n in range(chosen.size):
        image = images[chosen[n]]
        for c in range(out.shape[1]):
            for i in range(height):
                row = out[n, c, i]
                from_row = i - down[n]
                if from_row < 0 or from_row >= height:
                    row[:] = f32(0.0)
                    continue
                start = (c * height + from_row) * width
                for j in range(width):
                    from_column = (width - 1 - j if mirrored[n] else j) - right[n]
                    inside = 0 <= from_column < width
                    row[j] = values[c, image[start + from_column]] if inside else f32(0.0)
