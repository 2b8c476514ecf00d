"""GGUF's IQ4_NL and IQ4_XS, written: the `gguf` package only reads them.

Each value becomes the nearest that its sub-block can say, with no search for better scales; what a file then means is decided by
`gguf.quants.dequantize` alone.

Usage: python iq4.py gguf
Writes gguf/iq4_blocks.safetensors: blocks of random bytes, and what they mean. README.md describes it. Every run writes the same bytes.
"""

import sys
from pathlib import Path

import gguf
import numpy
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

from k_quants import bytes_of, in_units, stacked

KINDS = (Type.IQ4_NL, Type.IQ4_XS)
VALUES = numpy.float32(gguf.quants.IQ4_NL.kvalues)
# Of a scale, in steps of the block's (IQ4_XS)
LARGEST_SCALE = 31


def quantize(x: numpy.ndarray, kind: Type) -> numpy.ndarray:
    """Bytes of a matrix `[rows, columns]` of float32, `uint8 [rows, bytes]`; columns are a multiple of 32 or 256."""
    parts = x.astype(numpy.float32).reshape(-1, 1 if kind == Type.IQ4_NL else 8, 32)
    # the value of largest magnitude is the first of the table, which has the largest magnitude there
    largest = numpy.take_along_axis(parts, abs(parts).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    scale = largest / VALUES[0]
    if kind == Type.IQ4_NL:
        unit = scale.astype(numpy.float16)
        return numpy.concatenate([bytes_of(unit), nibbles(parts, unit.astype(numpy.float32))], axis=-1).reshape(x.shape[0], -1)
    unit, scales = in_units(scale, LARGEST_SCALE)
    quants = nibbles(parts, unit.astype(numpy.float32) * scales)
    scales = (scales + 32).astype(numpy.uint16)
    high = numpy.bitwise_or.reduce([(scales[:, i] >> 4) << (2 * i) for i in range(8)]).astype("<u2")
    low = stacked((scales & 15).reshape(-1, 4, 2, 1), 4)
    return numpy.concatenate([bytes_of(unit), bytes_of(high[:, None]), low, quants], axis=-1).reshape(x.shape[0], -1)


def nibbles(parts: numpy.ndarray, scale: numpy.ndarray) -> numpy.ndarray:
    """Places of the nearest values, `[blocks, parts, 32]` to bytes `[blocks, parts * 16]`."""
    quotients = numpy.divide(parts, scale[..., None], out=numpy.zeros_like(parts), where=scale[..., None] != 0)
    places = abs(quotients[..., None] - VALUES).argmin(axis=-1).astype(numpy.uint8)
    return stacked(places.reshape(len(parts), -1, 2, 16), 4)


def random_blocks(kind: Type, rows: int, columns: int, random: numpy.random.Generator) -> numpy.ndarray:
    """Blocks of random bytes, so that every quant and every scale is there; the block's own scale is of either sign."""
    length, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows * columns // length, size), dtype=numpy.uint8)
    blocks[:, :2] = bytes_of((random.choice([-1, 1], len(blocks)) * random.uniform(0.001, 0.1, len(blocks))).astype(numpy.float16)[:, None])
    return blocks.reshape(rows, -1)


def main(target: Path) -> None:
    random = numpy.random.default_rng(6)
    x = (random.standard_normal((8, 512)) * random.uniform(0.1, 1.0, (8, 32)).repeat(16, axis=1)).astype(numpy.float32)
    tensors = {}
    for kind in KINDS:
        again = gguf.quants.dequantize(quantize(x, kind), kind)
        error = numpy.sqrt(((again - x) ** 2).mean() / (x**2).mean())
        print(f"{kind.name}: relative error {error:.4f}")
        assert error < 0.1, kind
        blocks = random_blocks(kind, 5, 512, random)
        tensors[f"{kind.name}.bytes"] = blocks
        tensors[f"{kind.name}.values"] = gguf.quants.dequantize(blocks, kind)
    save_file(tensors, target / "iq4_blocks.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
