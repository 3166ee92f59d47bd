// Backpropagation through time: the backward pass with the recurrent weights in it.
//
// The rates have to be known before: a forward pass for them comes first, and keeps the spikes. To find psi again
// from those costs less than to store it for all trials would.
#pragma once

#include "active.h"
#include "loss.h"

namespace eprop_bench {

// All neurons of a trial, one step back; m holds lam_v[t+1] (W_rec - theta I)^T. g (n_pad,) out, and active
// (n_words,) a bit for each that is not 0.
template <class S>
inline void backward_neurons(const Network<S>& net, const S* __restrict psi, const S* __restrict m, S decay,
                             const S* __restrict source, const S* __restrict rate, S* __restrict lam_a,
                             S* __restrict lam_v, S* __restrict g, uint64_t* __restrict active) {
  constexpr int kWordBits = 64;
  const WayBack<S>& back = net.back;
  for (int64_t w = 0; w < net.n_words; ++w) {
    uint64_t word = 0;
    const int64_t stop = net.n_pad < (w + 1) * kWordBits ? net.n_pad : (w + 1) * kWordBits;
    for (int64_t j = w * kWordBits; j < stop; j += kLanes<S>) {
      const Vec<S> slope = at(psi + j);
      Vec<S> dz = at(m + j) + decay * at(source + j) + at(rate + j);
      if (j >= back.n_regular) dz += at(lam_a + j);
      const Vec<S> found = slope * dz;
      if (j >= back.n_regular) at(lam_a + j) = net.rho * at(lam_a + j) - at(back.beta + j) * found;
      at(lam_v + j) = back.alpha * at(lam_v + j) + found;
      at(g + j) = found;
      word |= bits<S>(slope != Vec<S>{}) << (j % kWordBits);
    }
    active[w] = word;
  }
}

template <class S>
struct BpttScratch {
  TrialScratch<S> trial;
  S* source;  // (n_pad,), as those below
  S* lam_a;
  S* lam_v;
  S* g;
  S* m;
  uint64_t* active;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, int64_t) {
    trial.lay_out(arena, net, batch, true);
    for (S** row : {&source, &lam_a, &lam_v, &g, &m}) *row = arena.take<S>(net.n_pad);
    active = arena.take<uint64_t>(net.n_words);
  }
};

// Adds the gradients of W_in and W_rec of a trial whose forward pass is in s.trial.
//
// feedback: (n_out, n_pad) F^T times `gain`, (1 - kappa)/(batch * window).
// rows: (n_rec, n_pad) transposed w_rec, with the reset on its diagonal unless that is detached.
// rate: (n_pad,) derivative of the rate cost by a spike, c_j.
// gradient: (n_pre, n_pad).
template <class S>
inline void backward_trial(const Network<S>& net, const Batch& batch, int64_t, const S* feedback,
                           const S* rows, const S* rate, BpttScratch<S>& s, S* gradient) {
  const int64_t n_pad = net.n_pad, first = batch.n_steps - net.window;
  const Events& events = s.trial.events;
  for (S* row : {s.source, s.lam_a, s.lam_v, s.m}) fill(row, S(0), n_pad);
  S decay = 1;
  for (int64_t t = batch.n_steps - 1; t >= 0; --t) {
    if (t < first) decay *= net.back.kappa;
    else add_errors(net, s.source, s.trial.sent + (t - first) * net.n_out, feedback, net.back.kappa);
    backward_neurons(net, s.trial.psi + t * n_pad, s.m, decay, s.source, rate, s.lam_a, s.lam_v, s.g,
                     s.active);
    for (int64_t e = events.offset[t]; e < events.offset[t + 1]; ++e) {
      add_row(gradient + events.index[e] * n_pad, s.lam_v, n_pad);
    }
    send_all<1>(net, s.active, rows, s.g, s.m);
  }
}

}  // namespace eprop_bench
