// Backward over a number of recurrent connections: a recursion of the neurons for each level of the ladder, all
// levels at each step. What neurons send one another comes from the level below; the last level is the rule's.
#pragma once

#include "active.h"
#include "loss.h"

namespace eprop_bench {

constexpr int kLevels = 4;  // levels that share a row of weights once it is read

template <class S>
struct LadderScratch {
  TrialScratch<S> trial;
  S* source;  // (n_pad,)
  S* lam_a;   // (hops + 1, n_pad)
  S* lam_v;   // (hops + 1, n_pad)
  S* g;       // (hops + 1, n_pad)
  S* m;       // (hops + 1, n_pad); that of the level below, 0 for the first
  uint64_t* active;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, int64_t hops) {
    trial.lay_out(arena, net, batch, true);
    source = arena.take<S>(net.n_pad);
    for (S** rows : {&lam_a, &lam_v, &g, &m}) *rows = arena.take<S>((hops + 1) * net.n_pad);
    active = arena.take<uint64_t>(net.n_words);
  }
};

// All neurons of a trial on all levels, one step back; m holds lam_v[t+1] W_rec^T of the level below. As in
// bptt.h, but for the reset, which is of the level itself.
template <class S>
inline void backward_levels(const Network<S>& net, int64_t hops, const S* __restrict psi,
                            const S* __restrict m, S decay, const S* __restrict source,
                            const S* __restrict rate, S* __restrict lam_a, S* __restrict lam_v,
                            S* __restrict g, uint64_t* __restrict active) {
  constexpr int kWordBits = 64;
  const WayBack<S>& back = net.back;
  for (int64_t w = 0; w < net.n_words; ++w) {
    uint64_t word = 0;
    const int64_t stop = net.n_pad < (w + 1) * kWordBits ? net.n_pad : (w + 1) * kWordBits;
    for (int64_t j = w * kWordBits; j < stop; j += kLanes<S>) {
      const Vec<S> slope = at(psi + j), drive = decay * at(source + j) + at(rate + j);
      for (int64_t k = 0, i = j; k <= hops; ++k, i += net.n_pad) {
        const Vec<S> v = at(lam_v + i);
        Vec<S> dz = drive + at(m + i) - back.theta * v;
        if (j >= back.n_regular) dz += at(lam_a + i);
        const Vec<S> found = slope * dz;
        if (j >= back.n_regular) at(lam_a + i) = net.rho * at(lam_a + i) - at(back.beta + j) * found;
        at(lam_v + i) = back.alpha * v + found;
        at(g + i) = found;
      }
      word |= bits<S>(slope != Vec<S>{}) << (j % kWordBits);
    }
    active[w] = word;
  }
}

// From level k to level k + 1, for all levels but the last.
template <class S>
inline void send_up(const Network<S>& net, int64_t hops, const uint64_t* active, const S* rows, const S* g,
                    S* m) {
  m += net.n_pad;
  for (; hops >= kLevels; hops -= kLevels) {
    send_all<kLevels>(net, active, rows, g, m);
    g += kLevels * net.n_pad;
    m += kLevels * net.n_pad;
  }
  switch (hops) {
    case 1: return send_all<1>(net, active, rows, g, m);
    case 2: return send_all<2>(net, active, rows, g, m);
    case 3: return send_all<3>(net, active, rows, g, m);
  }
}

// Adds the gradients of W_in and W_rec of a trial; arguments as in bptt.h, rows without the reset.
template <class S>
inline void backward_trial(const Network<S>& net, const Batch& batch, int64_t hops, const S* feedback,
                           const S* rows, const S* rate, LadderScratch<S>& s, S* gradient) {
  const int64_t n_pad = net.n_pad, first = batch.n_steps - net.window;
  const Events& events = s.trial.events;
  fill(s.source, S(0), n_pad);
  for (S* levels : {s.lam_a, s.lam_v, s.m}) fill(levels, S(0), (hops + 1) * n_pad);
  S decay = 1;
  for (int64_t t = batch.n_steps - 1; t >= 0; --t) {
    if (t < first) decay *= net.back.kappa;
    else add_errors(net, s.source, s.trial.sent + (t - first) * net.n_out, feedback, net.back.kappa);
    backward_levels(net, hops, s.trial.psi + t * n_pad, s.m, decay, s.source, rate, s.lam_a, s.lam_v, s.g,
                    s.active);
    for (int64_t e = events.offset[t]; e < events.offset[t + 1]; ++e) {
      add_row(gradient + events.index[e] * n_pad, s.lam_v + hops * n_pad, n_pad);
    }
    send_up(net, hops, s.active, rows, s.g, s.m);
  }
}

}  // namespace eprop_bench
