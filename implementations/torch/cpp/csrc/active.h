// The product on the way back, by active neurons.
//
// What neurons send back to one another is m[t] = lam_v[t] W^T, with W = W_rec, and the reset on its diagonal where
// that is a weight. As lam_v[t] = alpha lam_v[t+1] + g[t], it obeys m[t] = alpha m[t+1] + g[t] W^T, and g is 0
// wherever psi is: a step adds the rows of W^T of the few neurons that are within reach of their threshold
// (Perez-Nieves & Goodman 2021, arXiv 2105.08810).
#pragma once

#include <algorithm>

#include "dynamics.h"

namespace eprop_bench {

// For kSums g's (kSums, n_pad) and as many m's at once, kWidth vectors of columns of them.
//
// active: (n_words,) a bit per neuron with a g other than 0; rows = W^T (n_rec, n_pad).
template <int kSums, int kWidth, class S>
inline void send(const Network<S>& net, const uint64_t* active, const S* __restrict rows,
                 const S* __restrict g, S* __restrict m) {
  const int64_t n_pad = net.n_pad;
  Vec<S> total[kSums][kWidth];
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) total[s][i] = net.back.alpha * at(m + s * n_pad + i * kLanes<S>);
  }
  for (int64_t w = 0; w < net.n_words; ++w) {
    for (uint64_t word = active[w]; word != 0; word &= word - 1) {
      const int64_t j = w * 64 + __builtin_ctzll(word);
      const S* row = rows + j * n_pad;
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) {
        const Vec<S> weights = at(row + i * kLanes<S>);
#pragma GCC unroll 4
        for (int s = 0; s < kSums; ++s) total[s][i] += g[s * n_pad + j] * weights;
      }
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) at(m + s * n_pad + i * kLanes<S>) = total[s][i];
  }
}

// The same for `width` vectors of columns, up to kWidth.
template <int kSums, int kWidth, class S>
inline void send_some(int64_t width, const Network<S>& net, const uint64_t* active, const S* rows, const S* g,
                      S* m) {
  if (width == kWidth) return send<kSums, kWidth>(net, active, rows, g, m);
  if constexpr (kWidth > 1) send_some<kSums, kWidth - 1>(width, net, active, rows, g, m);
}

// All columns, as many at once as the registers hold the sums of.
template <int kSums, class S>
inline void send_all(const Network<S>& net, const uint64_t* active, const S* rows, const S* g, S* m) {
  constexpr int kColumns = std::min(kSumVectors / kSums, 14);
  const int64_t n_vectors = net.n_pad / kLanes<S>;
  const int64_t n_tiles = (n_vectors + kColumns - 1) / kColumns;
  for (int64_t tile = 0; tile < n_tiles; ++tile) {
    const int64_t from = tile * n_vectors / n_tiles, to = (tile + 1) * n_vectors / n_tiles;
    const int64_t j = from * kLanes<S>;
    send_some<kSums, kColumns>(to - from, net, active, rows + j, g, m + j);
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
