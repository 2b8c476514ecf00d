// Attention of up to 16 query heads of one kv head over one piece of the cache:
//
//   each warp, for every fourth group of 16 keys of the piece:
//     scores = queries * keys^T;  softcap;  hide keys before the window and behind the end
//     base = maximum so far, less TOP_BITS (where it moves, sums are scaled)
//     output += 2^(scores - base) * values
//   add the four warps' sums, in order; leave base, sum and output in the workspace
//
// The query heads are the 16 rows of the products on the tensor cores, so that a key is read once
// for the group. Rows without a head cost nothing that counts: memory is the limit (a piece of 16
// keys of head_dim 128 is 8 KB, 440 clocks of a multiprocessor's share of 4.2 TB/s, and 32 tensor
// instructions). Warps wait for nothing but their own copies.
#pragma once
#include "../attend_sm80/shared.cuh"
#include "../attend_sm80/softmax.cuh"
#include "arguments.h"

// Copies 16 keys and values at a time into this warp's ring.
template <int D>
struct DecodeLoader {
  const DecodeArguments& arguments;
  const char *keys, *values;  // of this kv head (and sequence, without pages), at this lane's piece
  const int32_t* pages;       // of this sequence
  int count, page_shift;

  DEVICE DecodeLoader(const DecodeArguments& arguments, int sequence, int kv_head, int count)
      : arguments(arguments), count(count) {
    const int piece = thread_index() % 8;
    keys = static_cast<const char*>(arguments.k.data) + kv_head * arguments.k.head_stride + piece * 16;
    values = static_cast<const char*>(arguments.v.data) + kv_head * arguments.v.head_stride + piece * 16;
    pages = nullptr, page_shift = 0;
    if (arguments.pages != nullptr) {
      pages = arguments.pages + sequence * arguments.pages_of_sequence;
      page_shift = highest_bit(static_cast<uint32_t>(arguments.page_tokens));
    } else {
      keys += sequence * arguments.k_sequence_stride;
      values += sequence * arguments.v_sequence_stride;
    }
  }
  // The page of 16 keys from `start` on; asked for one round ahead of the copy.
  DEVICE int32_t page_of(int start) const {
    return pages != nullptr && start < count ? static_cast<int32_t>(load_word(pages + (start >> page_shift)))
                                             : 0;
  }

  // Keys behind the end repeat the last one, which lies in the same page.
  DEVICE void copy(uint32_t to, int start, int32_t page) const {
    const int lane = thread_index() % 32, piece = lane % 8;
    const int base = pages != nullptr ? start & ~(arguments.page_tokens - 1) : 0;
    const char* k = keys + page * arguments.k_page_stride;
    const char* v = values + page * arguments.v_page_stride;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 8 + i * 4;
      const int64_t token = min(start + row, count - 1) - base;
      const char *from_k = k + token * arguments.k.token_stride,
                 *from_v = v + token * arguments.v.token_stride;
      const uint32_t at = piece_address<D>(to, row, piece);
#pragma unroll
      for (int c = 0; c < D / 8; c += 8)
        if (c + 8 <= D / 8 || piece + c < D / 8) {
          copy16(at + c * 16, from_k + c * 16);
          copy16(at + 16 * Shape80<D>::ROW_BYTES + c * 16, from_v + c * 16);
        }
    }
  }
};

template <class T, int D>
struct DecodeWork {
  static constexpr int STAGES = decode_stages(D), HALF_STAGE = 16 * Shape80<D>::ROW_BYTES,
                       STAGE = 2 * HALF_STAGE;
  static_assert(Shape80<D>::ROW_BYTES == decode_row_bytes(D), "rows in shared memory");

  uint32_t queries[D / 16][4];
  float output[1][D / 8][4];
  float base[2], sum[2];  // of the rows lane / 4 and lane / 4 + 8; sums are the lane's own

  // Straight from global memory, in the order that `multiply` takes; rows without a head are zeros.
  DEVICE void load_queries(const DecodeArguments& arguments, int sequence, int head, int heads) {
    const int lane = thread_index() % 32;
    const char* data = static_cast<const char*>(arguments.q.data) + sequence * arguments.q.token_stride;
#pragma unroll
    for (int k = 0; k < D / 16; ++k)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i % 2 * 8, column = k * 16 + i / 2 * 8 + lane % 4 * 2;
        queries[k][i] =
            row < heads ? load_word(data + (head + row) * arguments.q.head_stride + column * 2) : 0;
      }
  }

  DEVICE void step(const DecodeArguments& arguments, uint32_t stage, int start, int first, int stop) {
    const int lane = thread_index() % 32;
    const uint32_t keys = stage + lane_of_keys<D>(lane),
                   values = stage + HALF_STAGE + lane_of_values<D>(lane);
    float scores[1][2][4] = {};
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
      uint32_t b[4];
      load_matrices(b, move_right<D>(keys, k));
      multiply<T>(scores[0][0], queries[k], b[0], b[1]);
      multiply<T>(scores[0][1], queries[k], b[2], b[3]);
    }
    float scale = arguments.scale_log2;
    if (arguments.softcap > 0.f) {
      const Softcap cap(arguments.softcap, scale);
      scale = 1.f;
#pragma unroll
      for (int t = 0; t < 2; ++t)
#pragma unroll
        for (int j = 0; j < 4; ++j) scores[0][t][j] = cap(scores[0][t][j]);
    }
    if (start < first || start + 16 > stop) {
#pragma unroll
      for (int t = 0; t < 2; ++t)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int key = start + t * 8 + lane % 4 * 2 + j % 2;
          if (key < first || key >= stop) scores[0][t][j] = minus_infinity();
        }
    }
    float safe[1][2];
    bool moves = false;
    float after[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float top = fmaxf(fmaxf(scores[0][0][2 * h], scores[0][0][2 * h + 1]),
                        fmaxf(scores[0][1][2 * h], scores[0][1][2 * h + 1]));
      top = fmaxf(top, shuffle_xor(top, 1));
      top = fmaxf(top, shuffle_xor(top, 2));
      after[h] = fmaxf(base[h], fmaf(top, scale, -Range<T>::TOP_BITS));
      moves = moves || after[h] > base[h];
      safe[0][h] = after[h] == minus_infinity() ? 0.f : after[h];
    }
    if (any_lane(moves)) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float factor = exp2_fast(base[h] - safe[0][h]);
        base[h] = after[h];
        sum[h] *= factor;
#pragma unroll
        for (int c = 0; c < D / 8; ++c) output[0][c][2 * h] *= factor, output[0][c][2 * h + 1] *= factor;
      }
    }
    Chunk<1> chunk;
#pragma unroll
    for (int unit = 0; unit < 4; ++unit) exponentials<T>(chunk, unit, scores, 0, scale, safe);
    sum[0] += chunk.sum[0][0], sum[1] += chunk.sum[0][1];
#pragma unroll
    for (int n = 0; n < D / 16; ++n) {
      uint32_t b[4];
      load_matrices_transposed(b, move_right<D>(values, n));
      multiply<T>(output[0][2 * n], chunk.p[0], b[0], b[1]);
      multiply<T>(output[0][2 * n + 1], chunk.p[0], b[2], b[3]);
    }
  }

  // Keys start, start + 64, ... of the piece are this warp's.
  DEVICE void run(const DecodeArguments& arguments, const DecodeLoader<D>& loader, uint32_t ring,
                  KeyRange piece, int first) {
#pragma unroll
    for (int c = 0; c < D / 8; ++c)
#pragma unroll
      for (int j = 0; j < 4; ++j) output[0][c][j] = 0.f;
    base[0] = base[1] = minus_infinity();
    sum[0] = sum[1] = 0.f;
    int start = piece.start + thread_index() / 32 * 16, next = start;
    int32_t page = loader.page_of(next);
    uint32_t to = ring, from = ring;
    const auto copy = [&] {
      const int32_t present = page;
      page = loader.page_of(next + DECODE_STEP);
      if (next < piece.stop) loader.copy(to, next, present);
      commit_copies();
      next += DECODE_STEP;
      to = to == ring + (STAGES - 1) * STAGE ? ring : to + STAGE;
    };
#pragma unroll
    for (int i = 0; i < STAGES - 1; ++i) copy();
#pragma unroll 1
    for (; start < piece.stop; start += DECODE_STEP) {
      wait_copies<STAGES - 2>();
      warp_sync();  // all lanes' copies are there, and all have left the stage that is filled now
      copy();
      step(arguments, from, start, first, piece.stop);
      from = from == ring + (STAGES - 1) * STAGE ? ring : from + STAGE;
    }
    wait_copies<0>();
  }

  // Four warps' sums to one base, added in order. Shared memory: bases and sums of 4 * 16 rows,
  // then outputs.
  DEVICE void join(const DecodeArguments& arguments, uint32_t shared, int sequence, int piece, int head,
                   int heads) {
    const int thread = thread_index(), lane = thread % 32, warp = thread / 32;
    const uint32_t bases = shared, sums = shared + 256, outputs = shared + 512;
    block_sync();  // the rings are free
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      sum[h] += shuffle_xor(sum[h], 1);
      sum[h] += shuffle_xor(sum[h], 2);
      if (lane % 4 == 0) {
        const uint32_t at = (warp * 16 + lane / 4 + h * 8) * 4;
        store_shared(bases + at, as_word(base[h])), store_shared(sums + at, as_word(sum[h]));
      }
    }
#pragma unroll
    for (int c = 0; c < D / 8; ++c)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        store_shared(outputs + ((warp * 16 + lane / 4 + j / 2 * 8) * D + c * 8 + lane % 4 * 2 + j % 2) * 4,
                     as_word(output[0][c][j]));
    block_sync();
    const int64_t lines = static_cast<int64_t>(arguments.sequences) * arguments.heads * arguments.pieces;
    for (int i = thread; i < heads * D; i += DECODE_THREADS) {
      const int row = i / D, c = i % D;
      float top = minus_infinity();
#pragma unroll
      for (int w = 0; w < 4; ++w) top = fmaxf(top, as_float(load_shared(bases + (w * 16 + row) * 4)));
      const float safe = top == minus_infinity() ? 0.f : top;
      float total = 0.f, x = 0.f;
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        const float factor = exp2_fast(as_float(load_shared(bases + (w * 16 + row) * 4)) - safe);
        total += factor * as_float(load_shared(sums + (w * 16 + row) * 4));
        x += factor * as_float(load_shared(outputs + ((w * 16 + row) * D + c) * 4));
      }
      const int64_t line =
          (static_cast<int64_t>(sequence) * arguments.heads + head + row) * arguments.pieces + piece;
      arguments.workspace[line * D + c] = x;
      if (c == 0)
        arguments.workspace[lines * D + line * 2] = top,
                                               arguments.workspace[lines * D + line * 2 + 1] = total;
    }
  }
};

template <class T, int D>
DEVICE void decode(const DecodeArguments& arguments) {
  const int kv_heads = arguments.heads / arguments.group, kv_head = static_cast<int>(block_x()) % kv_heads,
            block = static_cast<int>(block_x()) / kv_heads;
  const int piece = static_cast<int>(block_y()), sequence = static_cast<int>(block_z());
  const int count = arguments.key_counts != nullptr
                        ? static_cast<int>(load_word(arguments.key_counts + sequence))
                        : arguments.keys;
  const int head = kv_head * arguments.group + block * DECODE_HEADS,
            heads = min(DECODE_HEADS, arguments.group - block * DECODE_HEADS);
  const KeyRange range = decode_piece(count, arguments.window, arguments.piece_keys, piece);
  const DecodeLoader<D> loader(arguments, sequence, kv_head, count);
  DecodeWork<T, D> work;
  work.load_queries(arguments, sequence, head, heads);
  const uint32_t shared = shared_base();
  work.run(arguments, loader,
           shared + thread_index() / 32 * (DecodeWork<T, D>::STAGES * DecodeWork<T, D>::STAGE), range,
           decode_first(count, arguments.window));
  work.join(arguments, shared, sequence, piece, head, heads);
}
