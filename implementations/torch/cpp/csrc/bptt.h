// Backpropagation through time: the backward pass with the recurrent weights in it.
//
// Trials go in groups of kGroup per thread, so that a row of the weights, once in a register, serves all of
// them. The rates have to be known before: a forward pass for them, which is cheaper than storing psi of all
// trials would be, comes first.
#pragma once

#include "loss.h"

namespace eprop_bench {

constexpr int kGroup = 4;  // trials; times kColumns vectors of sums, all in registers

// dz[g] = lam[g] W^T for kGroup trials and kWidth vectors of columns; lam, dz (kGroup, n_pad) and
// weights = W^T (n_rec, n_pad).
template <int kWidth, class S>
inline void product(const Network<S>& net, const S* __restrict lam, const S* __restrict weights,
                    S* __restrict dz) {
  const int64_t n_pad = net.n_pad;
  Vec<S> total[kGroup][kWidth] = {};
  for (int64_t k = 0; k < net.n_rec; ++k) {
#pragma GCC unroll 8
    for (int i = 0; i < kWidth; ++i) {
      const Vec<S> row = at(weights + k * n_pad + i * kLanes<S>);
#pragma GCC unroll 4
      for (int g = 0; g < kGroup; ++g) total[g][i] += lam[g * n_pad + k] * row;
    }
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroup; ++g) {
#pragma GCC unroll 8
    for (int i = 0; i < kWidth; ++i) at(dz + g * n_pad + i * kLanes<S>) = total[g][i];
  }
}

template <class S>
inline void recurrent(const Network<S>& net, const S* lam, const S* weights, S* dz) {
  const int64_t n_vectors = net.n_pad / kLanes<S>;
  const int64_t n_tiles = (n_vectors + kColumns - 1) / kColumns;
  for (int64_t tile = 0; tile < n_tiles; ++tile) {
    const int64_t from = tile * n_vectors / n_tiles, to = (tile + 1) * n_vectors / n_tiles;
    const int64_t j = from * kLanes<S>;
    switch (to - from) {
      case 1: product<1>(net, lam, weights + j, dz + j); break;
      case 2: product<2>(net, lam, weights + j, dz + j); break;
      case 3: product<3>(net, lam, weights + j, dz + j); break;
      case 4: product<4>(net, lam, weights + j, dz + j); break;
      case 5: product<5>(net, lam, weights + j, dz + j); break;
      case 6: product<6>(net, lam, weights + j, dz + j); break;
      case 7: product<7>(net, lam, weights + j, dz + j); break;
    }
  }
}

// All neurons of a trial, one step back; dz holds lam_v[t+1] (W - threshold)^T.
template <class S>
inline void backward_neurons(const Network<S>& net, const S* __restrict psi, const S* __restrict dz, S decay,
                             const S* __restrict source, const S* __restrict rate, S* __restrict lam_a,
                             S* __restrict lam_v) {
  int64_t j = 0;
  for (; j < net.n_regular; j += kLanes<S>) {
    const Vec<S> g = at(psi + j) * (at(dz + j) + decay * at(source + j) + at(rate + j));
    at(lam_v + j) = net.alpha * at(lam_v + j) + g;
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> a = at(lam_a + j);
    const Vec<S> g = at(psi + j) * (at(dz + j) + decay * at(source + j) + at(rate + j) + a);
    at(lam_v + j) = net.alpha * at(lam_v + j) + g;
    at(lam_a + j) = net.rho * a - at(net.beta + j) * g;
  }
}

template <class S>
struct BpttScratch {
  State<S> state;
  Events events[kGroup];
  S* psi[kGroup];  // (T, n_pad)
  S* ell[kGroup];
  S* readout;
  S* lbar;
  S* source;  // (kGroup, n_pad), as those below
  S* lam_a;
  S* lam_v;
  S* dz;
  uint64_t* words;
  int64_t* counts;  // not needed again

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch) {
    state.lay_out(arena, net);
    for (int g = 0; g < kGroup; ++g) {
      events[g].lay_out(arena, net, batch.n_steps);
      psi[g] = arena.take<S>(batch.n_steps * net.n_pad);
      ell[g] = arena.take<S>(net.window * net.n_out);
    }
    readout = arena.take<S>(net.window * net.n_out);
    lbar = arena.take<S>(net.n_out);
    source = arena.take<S>(kGroup * net.n_pad);
    lam_a = arena.take<S>(kGroup * net.n_pad);
    lam_v = arena.take<S>(kGroup * net.n_pad);
    dz = arena.take<S>(kGroup * net.n_pad);
    words = arena.take<uint64_t>(net.n_words);
    counts = arena.take<int64_t>(net.n_rec);
  }
};

// Adds the gradients of trials `from` to `to` - 1, at most kGroup of them.
//
// feedback: (n_out, n_pad) F^T times `gain`, (1 - kappa)/(batch * window).
// weights: (n_rec, n_pad) transposed w_rec, with the reset on its diagonal unless that is detached.
// rate: (n_pad,) derivative of the rate cost by a spike, c_j.
// gradient: (n_pre, n_pad); gradient_out: (n_rec, n_out).
template <class S>
inline void bptt_trials(const Network<S>& net, const Batch& batch, int64_t from, int64_t to,
                        const S* feedback, S gain, const S* weights, const S* rate, BpttScratch<S>& s,
                        S* gradient, S* gradient_out) {
  const int64_t n_steps = batch.n_steps, n_pad = net.n_pad, first = n_steps - net.window;
  const int n_trials = int(to - from);
  fill(s.counts, int64_t(0), net.n_rec);
  for (int g = 0; g < n_trials; ++g) {
    s.state.restart(net);
    s.events[g].restart();
    advance<true>(net, batch, batch.trial(from + g), 0, n_steps, s.state, s.events[g], s.psi[g], s.words,
                  s.counts);
    read_out(net, 0, n_steps, first, s.events[g], s.state.y, s.readout);
    task_loss(net, batch, from + g, s.readout, 0, net.window, s.ell[g]);
    fill(s.lbar, S(0), net.n_out);
    readout_gradient(net, s.ell[g], gain, 0, n_steps, first, s.events[g], s.lbar, gradient_out);
  }
  fill(s.source, S(0), kGroup * n_pad);
  fill(s.lam_a, S(0), kGroup * n_pad);
  fill(s.lam_v, S(0), kGroup * n_pad);
  S decay = 1;
  for (int64_t t = n_steps - 1; t >= 0; --t) {
    if (t < first) decay *= net.kappa;
    recurrent(net, s.lam_v, weights, s.dz);
    for (int g = 0; g < n_trials; ++g) {
      S* source = s.source + g * n_pad;
      S* lam_v = s.lam_v + g * n_pad;
      const Events& events = s.events[g];
      if (t >= first) add_errors(net, source, s.ell[g] + (t - first) * net.n_out, feedback, net.kappa);
      backward_neurons(net, s.psi[g] + t * n_pad, s.dz + g * n_pad, decay, source, rate, s.lam_a + g * n_pad,
                       lam_v);
      for (int64_t e = events.offset[t]; e < events.offset[t + 1]; ++e) {
        add_row(gradient + events.index[e] * n_pad, lam_v, n_pad);
      }
    }
  }
}

}  // namespace eprop_bench
