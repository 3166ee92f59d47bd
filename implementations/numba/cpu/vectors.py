"""What LLVM does not make of a loop by itself, in its own language: bits of vectors, sums in registers.

Vectors have a fixed number of lanes; LLVM splits them where registers have fewer.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, imputils
from numba.extending import intrinsic

from implementations.numba.cpu.compiled import called, inlined

LANES = 16  # float32 in a 512-bit register; arrays over neurons are padded to whole ones
WORD = 64  # bits, one per neuron
NOTHING, ONE = np.uint64(0), np.uint64(1)

_VECTOR = 64  # bytes
_MOST = 8  # vectors of sums at once: registers are left for others, also where a vector takes two
_INT, _BIT = ir.IntType(64), ir.IntType(1)


def _instructions(python: Callable) -> Callable[[Callable], Any]:
    """An intrinsic: the function gets types and returns what generates code; kernels call it with values.

    `python` does the same where Numba is told not to compile anything (NUMBA_DISABLE_JIT).
    """
    return lambda function: python if numba.config.DISABLE_JIT else intrinsic(function)  # type: ignore[attr-defined]


def _same(array: Any) -> Any:
    return array


def _lowest_bit(word: Any) -> int:
    return (int(word) & -int(word)).bit_length() - 1


def _which_are_not_0(values: Any, first: int) -> np.uint64:
    return np.uint64(sum(1 << k for k, value in enumerate(values[first : first + LANES]) if value != 0))


def _add(total: Any, row: Any) -> None:
    total += row


def _add_each(total: Any, kept: Any, factors: Any, rows: Any, marks: Any) -> None:
    total *= kept
    for w, word in enumerate(marks):
        for bit in range(WORD):
            if int(word) >> bit & 1:
                total += factors[w * WORD + bit] * rows[w * WORD + bit]


@called
def unmarked(n_steps, n):
    """(n_steps, words) marks of n values, none set: that of value j is bit j % WORD of word j // WORD."""
    return np.zeros((n_steps, -(-n // WORD)), np.uint64)


@inlined
def mark(values, marks):
    """Those of `values` (n_pad,) that are not 0."""
    for w in range(marks.shape[0]):
        word = NOTHING
        for j in range(w * WORD, min(w * WORD + WORD, values.shape[0]), LANES):
            word |= _nonzero(values, j) << np.uint64(j % WORD)
        marks[w] = word


@_instructions(_same)
def alone(_: Any, array: Any) -> Any:
    """The same array, of which LLVM may assume that no other one overlaps it: `restrict` of C."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = context.make_array(array)(context, builder, args[0])
        pointer = found.data.type
        name = f"eprop_bench_alone_{array.dtype}"
        identity = builder.module.globals.get(name)
        if identity is None:
            identity = ir.Function(builder.module, ir.FunctionType(pointer, (pointer,)), name)
            identity.linkage = "internal"
            identity.attributes.add("noinline")
            identity.return_value.add_attribute("noalias")
            body = ir.IRBuilder(identity.append_basic_block())
            # LLVM looks through everything else, and finds the old pointer again
            body.ret(body.asm(identity.function_type, "", "=r,0", identity.args, side_effect=False))
        found.data = builder.call(identity, (found.data,))
        return imputils.impl_ret_borrowed(context, builder, array, found._getvalue())

    return array(array), generate


@_instructions(_lowest_bit)
def lowest(_: Any, word: Any) -> Any:
    """Number of the lowest bit that is 1, of a word that has one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_BIT, 1))

    return types.int64(word), generate


@_instructions(_which_are_not_0)
def _nonzero(_: Any, values: Any, first: Any) -> Any:
    """A bit for each of LANES values from `first` on: whether it is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(context.get_value_type(values.dtype), LANES)
        data = context.make_array(values)(context, builder, args[0]).data
        found = builder.load(_vector_at(builder, data, args[1], vector), align=1)
        zero = ir.Constant(vector, None)
        if isinstance(values.dtype, types.Float):
            differs = builder.fcmp_unordered("!=", found, zero)
        else:
            differs = builder.icmp_unsigned("!=", found, zero)
        return builder.zext(builder.bitcast(differs, ir.IntType(LANES)), _INT)

    return types.uint64(values, first), generate


@_instructions(_add)
def add_row(_: Any, total: Any, row: Any) -> Any:
    """total += row, both (n_pad,)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, values = (
            context.make_array(k)(context, builder, v) for k, v in zip((total, row), args, strict=True)
        )
        lanes = 8 * _VECTOR // total.dtype.bitwidth
        vector = ir.VectorType(context.get_value_type(total.dtype), lanes)
        (n_pad,) = cgutils.unpack_tuple(builder, sums.shape)
        with cgutils.for_range(builder, builder.udiv(n_pad, _int(lanes)), intp=_INT) as loop:
            place = builder.mul(loop.index, _int(lanes))
            at = _vector_at(builder, sums.data, place, vector)
            value = builder.load(_vector_at(builder, values.data, place, vector), align=1)
            builder.store(builder.fadd(builder.load(at, align=1), value), at, align=1)
        return context.get_dummy_value()

    return types.void(total, row), generate


@_instructions(_add_each)
def add_marked(_: Any, total: Any, kept: Any, factors: Any, rows: Any, marks: Any) -> Any:
    """total = kept total + the sum of factors[i] rows[i] over all i whose bit in `marks` is 1.

    Sums stay in registers meanwhile. As loops, the inner one over columns, they are read and written again
    for each row, and take twice as long even where four rows are added at a time.

    Args:
        total: (n_pad,). kept: scalar. factors: (>= n,). rows: (n, n_pad). marks: (words,), of `mark`.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, scales, table, bits = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip((total, factors, rows, marks), (args[0], *args[2:]), strict=True)
        )
        lanes = 8 * _VECTOR // total.dtype.bitwidth
        vector = ir.VectorType(context.get_value_type(total.dtype), lanes)
        n_words, (_, n_pad) = builder.extract_value(bits.shape, 0), cgutils.unpack_tuple(builder, table.shape)
        n_vectors = builder.udiv(n_pad, _int(lanes))
        n_tiles = builder.udiv(builder.add(n_vectors, _int(_MOST - 1)), _int(_MOST))

        def tile(first: Any, width: int) -> None:
            """Columns of `width` vectors, the first of which is number `first`."""
            places = [builder.mul(builder.add(first, _int(k)), _int(lanes)) for k in range(width)]
            found = [_vector_at(builder, sums.data, place, vector) for place in places]
            kept = _splat(builder, args[1], vector)
            before = [builder.fmul(kept, builder.load(at, align=1)) for at in found]
            held = [cgutils.alloca_once_value(builder, value) for value in before]
            with cgutils.for_range(builder, n_words, intp=_INT) as loop:
                word = builder.load(builder.gep(bits.data, [loop.index]))
                left = cgutils.alloca_once_value(builder, word)
                test, add, done = (builder.append_basic_block(name) for name in ("test", "add", "done"))
                builder.branch(test)
                builder.position_at_end(test)
                word = builder.load(left)
                builder.cbranch(builder.icmp_unsigned("!=", word, _int(0)), add, done)
                builder.position_at_end(add)
                bit = builder.cttz(word, ir.Constant(_BIT, 1))
                builder.store(builder.and_(word, builder.sub(word, _int(1))), left)
                i = builder.add(builder.mul(loop.index, _int(WORD)), bit)
                scale = _splat(builder, builder.load(builder.gep(scales.data, [i])), vector)
                row = builder.gep(table.data, [builder.mul(i, n_pad)])
                for place, sum_ in zip(places, held, strict=True):
                    value = builder.load(_vector_at(builder, row, place, vector), align=1)
                    product = builder.fmul(scale, value, flags=("contract",))
                    builder.store(builder.fadd(builder.load(sum_), product, flags=("contract",)), sum_)
                builder.branch(test)
                builder.position_at_end(done)
            for at, sum_ in zip(found, held, strict=True):
                builder.store(builder.load(sum_), at, align=1)

        with cgutils.for_range(builder, n_tiles, intp=_INT) as loop:
            first, after = (
                builder.udiv(builder.mul(number, n_vectors), n_tiles)
                for number in (loop.index, builder.add(loop.index, _int(1)))
            )
            end = builder.append_basic_block("end")
            choice = builder.switch(builder.sub(after, first), end)
            for width in range(1, _MOST + 1):
                block = builder.append_basic_block(f"columns{width}")
                choice.add_case(_int(width), block)
                builder.position_at_end(block)
                tile(first, width)
                builder.branch(end)
            builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(total, total.dtype, factors, rows, marks), generate


def _int(value: int) -> Any:
    return ir.Constant(_INT, value)


def _vector_at(builder: Any, data: Any, place: Any, vector: Any) -> Any:
    """Pointer to the vector that begins at data[place]."""
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    """A vector with `value` in all lanes."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, nothing, lanes)
