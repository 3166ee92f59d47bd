// The product on the way back, by active neurons.
//
// What neurons send back to one another is m[t] = lam_v[t] W^T, with W = W_rec, and the reset on its diagonal
// where that is a weight. As lam_v[t] = alpha lam_v[t+1] + g[t], it obeys m[t] = alpha m[t+1] + g[t] W^T, and g
// is 0 wherever psi is: a step adds the rows of W^T of the neurons that are within reach of their threshold, a
// third of them in a fresh network (Perez-Nieves & Goodman 2021, arXiv 2105.08810).
#pragma once

#include "dynamics.h"

namespace eprop_bench {

constexpr int kLevels = 4;  // g's and m's that share a row of weights once it is read

// total (kSums, kWidth) += rows of active neurons times their g, for kSums g's (kSums, n_pad) at once and
// kWidth vectors of columns.
//
// active: (n_words,) a bit per neuron with a g other than 0; rows = W^T (n_rec, n_pad).
template <int kSums, int kWidth, class S>
[[gnu::always_inline]] inline void add_active(const Network<S>& net, const uint64_t* active, int64_t n_words,
                                              const S* __restrict rows, const S* __restrict g,
                                              Vec<S> (&total)[kSums * kWidth]) {
  for (int64_t w = 0; w < n_words; ++w) {
    for (uint64_t word = active[w]; word != 0; word &= word - 1) {
      const int64_t j = w * 64 + __builtin_ctzll(word);
      const S* row = rows + j * net.n_pad;
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) {
        const Vec<S> weights = at(row + i * kLanes<S>);
#pragma GCC unroll 4
        for (int s = 0; s < kSums; ++s) total[s * kWidth + i] += g[s * net.n_pad + j] * weights;
      }
    }
  }
}

// m = alpha m + g W^T for kSums of them, `width` vectors of columns up to kWidth.
template <int kSums, int kWidth, class S>
inline void send_columns(int64_t width, const Network<S>& net, const uint64_t* active, const S* rows,
                         const S* g, S* m) {
  if constexpr (kWidth > 1) {
    if (width < kWidth) return send_columns<kSums, kWidth - 1>(width, net, active, rows, g, m);
  }
  Vec<S> total[kSums * kWidth];
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      total[s * kWidth + i] = net.back.alpha * at(m + s * net.n_pad + i * kLanes<S>);
    }
  }
  add_active<kSums, kWidth>(net, active, net.n_words, rows, g, total);
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) at(m + s * net.n_pad + i * kLanes<S>) = total[s * kWidth + i];
  }
}

// All columns, as many at once as registers hold the sums of.
template <int kSums, class S>
inline void send_some(const Network<S>& net, const uint64_t* active, const S* rows, const S* g, S* m) {
  constexpr int kColumns = kSumVectors / kSums < 14 ? kSumVectors / kSums : 14;
  const int64_t n_vectors = net.n_pad / kLanes<S>;
  const int64_t n_tiles = (n_vectors + kColumns - 1) / kColumns;
  for (int64_t tile = 0; tile < n_tiles; ++tile) {
    const int64_t from = tile * n_vectors / n_tiles, to = (tile + 1) * n_vectors / n_tiles;
    const int64_t j = from * kLanes<S>;
    send_columns<kSums, kColumns>(to - from, net, active, rows + j, g, m + j);
  }
}

// All of n_sums m's (n_sums, n_pad).
template <class S>
inline void send_all(const Network<S>& net, int64_t n_sums, const uint64_t* active, const S* rows, const S* g,
                     S* m) {
  static_assert(kLevels == 4);
  for (; n_sums >= kLevels; n_sums -= kLevels) {
    send_some<kLevels>(net, active, rows, g, m);
    g += kLevels * net.n_pad;
    m += kLevels * net.n_pad;
  }
  switch (n_sums) {
    case 1: return send_some<1>(net, active, rows, g, m);
    case 2: return send_some<2>(net, active, rows, g, m);
    case 3: return send_some<3>(net, active, rows, g, m);
  }
}

// W_rec^T (n_rec, n_pad), with -reset on its diagonal.
template <class S>
inline void transpose(const Network<S>& net, const S* w_rec, S reset, S* rows) {
  fill(rows, S(0), net.n_rec * net.n_pad);
  for (int64_t i = 0; i < net.n_rec; ++i) {
    for (int64_t j = 0; j < net.n_rec; ++j) rows[j * net.n_pad + i] = w_rec[i * net.n_rec + j];
    rows[i * net.n_pad + i] -= reset;
  }
}

}  // namespace eprop_bench
