"""GGUF's k-quants, written: the `gguf` package only reads them.

Blocks of 256 values; each value is rounded to the nearest that its sub-block can say, with no search for better scales.
What a file then means is decided by `gguf.quants.dequantize` alone. `python k_quants.py` checks that values come back nearly as they were.
"""

import gguf
import numpy
from gguf import GGMLQuantizationType as Type

# How many steps a value has, and the values of a sub-block.
STEPS = {Type.Q2_K: (3, 16), Type.Q3_K: (4, 16), Type.Q4_K: (15, 32), Type.Q5_K: (31, 32), Type.Q6_K: (32, 16)}
# The largest scale of a sub-block, in steps of the block's.
SCALES = {Type.Q2_K: 15, Type.Q3_K: 31, Type.Q4_K: 63, Type.Q5_K: 63, Type.Q6_K: 127}


def quantize(x: numpy.ndarray, kind: Type) -> numpy.ndarray:
    """Bytes of a matrix `[rows, columns]` of float32, `uint8 [rows, bytes]`; columns are a multiple of 256."""
    steps, width = STEPS[kind]
    parts = x.astype(numpy.float32).reshape(-1, 256 // width, width)
    with_minimum = kind in (Type.Q2_K, Type.Q4_K, Type.Q5_K)
    if with_minimum:
        minimum = numpy.maximum(0, -parts.min(axis=-1))
        scale = (parts.max(axis=-1) + minimum) / steps
        unit, scales = in_units(scale, SCALES[kind])
        minimum_unit, minima = in_units(minimum, SCALES[kind])
        shifted = parts + (minimum_unit.astype(numpy.float32) * minima)[..., None]
        values = rounded(shifted, unit.astype(numpy.float32) * scales).clip(0, steps)
        head = numpy.concatenate([bytes_of(unit), bytes_of(minimum_unit)], axis=-1)
    else:
        largest = numpy.take_along_axis(parts, abs(parts).argmax(axis=-1)[..., None], axis=-1)[..., 0]
        unit, scales = in_units(largest / -steps, SCALES[kind])
        values = rounded(parts, unit.astype(numpy.float32) * scales).clip(-steps, steps - 1) + steps
        minima, head = None, bytes_of(unit)
    values = values.astype(numpy.uint8).reshape(-1, 256)
    blocks = PACK[kind](values, scales, minima, head)
    return blocks.reshape(x.shape[0], -1)


def in_units(scale: numpy.ndarray, largest: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A block's float16 unit, `[blocks, 1]`, and the scales of its parts as whole multiples of it, `[blocks, parts]`."""
    unit = (abs(scale).max(axis=-1, keepdims=True) / largest).astype(numpy.float16)
    return unit, rounded(scale[..., None], unit.astype(numpy.float32))[..., 0].clip(-largest - 1, largest)


def rounded(x: numpy.ndarray, unit: numpy.ndarray) -> numpy.ndarray:
    """`x / unit` to the nearest whole number, 0 where the unit is 0; `unit` lacks the last axis of `x`."""
    unit = unit[..., None]
    return numpy.rint(numpy.divide(x, unit, out=numpy.zeros_like(x), where=unit != 0))


def bytes_of(x: numpy.ndarray) -> numpy.ndarray:
    return numpy.ascontiguousarray(x).view(numpy.uint8)


def stacked(x: numpy.ndarray, bits: int) -> numpy.ndarray:
    """Numbers of few bits one above the other: `[blocks, groups, layers, n]` to bytes `[blocks, groups * n]`."""
    layers = [x[:, :, i] << (bits * i) for i in range(x.shape[2])]
    return numpy.bitwise_or.reduce(layers).astype(numpy.uint8).reshape(len(x), -1)


def six_bit_pairs(scales: numpy.ndarray, minima: numpy.ndarray) -> numpy.ndarray:
    """Eight scales and eight minima of six bits in twelve bytes (Q4_K, Q5_K)."""
    s, m = scales.astype(numpy.uint8), minima.astype(numpy.uint8)
    first = [x[:, :4] | (x[:, 4:] >> 4 << 6) for x in (s, m)]
    return numpy.concatenate([*first, (s[:, 4:] & 15) | (m[:, 4:] & 15) << 4], axis=-1)


def pack_q2(values, scales, minima, head):
    both = scales.astype(numpy.uint8) | minima.astype(numpy.uint8) << 4
    return numpy.concatenate([both, stacked(values.reshape(-1, 2, 4, 32), 2), head], axis=-1)


def pack_q3(values, scales, minima, head):
    high = stacked((values >> 2).reshape(-1, 1, 8, 32), 1)
    low = stacked((values & 3).reshape(-1, 2, 4, 32), 2)
    scales = (scales + 32).astype(numpy.uint8)
    low_scales = stacked((scales & 15).reshape(-1, 1, 2, 8), 4)
    high_scales = stacked((scales >> 4).reshape(-1, 1, 4, 4), 2)
    return numpy.concatenate([high, low, low_scales, high_scales, head], axis=-1)


def pack_q4(values, scales, minima, head):
    return numpy.concatenate([head, six_bit_pairs(scales, minima), stacked(values.reshape(-1, 4, 2, 32), 4)], axis=-1)


def pack_q5(values, scales, minima, head):
    high = stacked((values >> 4).reshape(-1, 1, 8, 32), 1)
    low = stacked((values & 15).reshape(-1, 4, 2, 32), 4)
    return numpy.concatenate([head, six_bit_pairs(scales, minima), high, low], axis=-1)


def pack_q6(values, scales, minima, head):
    low = stacked((values & 15).reshape(-1, 2, 2, 64), 4)
    high = stacked((values >> 4).reshape(-1, 2, 4, 32), 2)
    return numpy.concatenate([low, high, scales.astype(numpy.int8).view(numpy.uint8), head], axis=-1)


PACK = {Type.Q2_K: pack_q2, Type.Q3_K: pack_q3, Type.Q4_K: pack_q4, Type.Q5_K: pack_q5, Type.Q6_K: pack_q6}


if __name__ == "__main__":
    random = numpy.random.default_rng(1)
    x = (random.standard_normal((8, 512)) * random.uniform(0.1, 1.0, (8, 32)).repeat(16, axis=1)).astype(numpy.float32)
    for kind, (steps, _) in STEPS.items():
        again = gguf.quants.dequantize(quantize(x, kind), kind)
        error = numpy.sqrt(((again - x) ** 2).mean() / (x**2).mean())
        print(f"{kind.name}: relative error {error:.4f}")
        assert error < 1.5 / steps, kind
