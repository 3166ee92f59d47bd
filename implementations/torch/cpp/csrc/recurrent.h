// Back through the recurrent connections: through all of them, which is BPTT, or through a number of them.
//
// Then there are levels 0 to `hops`, each with its own lam_v and lam_a, and what neurons send one another comes
// from the level below; the last level is the rule's. Level 0 of BPTT, its only one, gets it from itself.
//
// The rates have to be known before: a forward pass for them comes first, and its spikes are kept. To find psi
// again from those costs less than to store it for all trials would.
#pragma once

#include "active.h"
#include "loss.h"

namespace eprop_bench {

constexpr int kManyHops = -1;  // of template arguments: any number of them, known when it runs

// Memory of a thread.
template <class S>
struct RecurrentScratch {
  TrialScratch<S> trial;
  S* source;  // (n_pad,)
  S* lam_a;   // (hops + 1, n_pad)
  S* lam_v;   // (hops + 1, n_pad)
  S* g;       // (max(hops, 1), n_pad), as the next
  S* m;       // lam_v[t+1] W_rec^T of all levels but the last; of BPTT lam_v[t+1] (W_rec - theta I)^T
  uint64_t* active;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, int64_t hops) {
    trial.lay_out(arena, net, batch, true);
    source = arena.take<S>(net.n_pad);
    for (S** rows : {&lam_a, &lam_v}) *rows = arena.take<S>((hops + 1) * net.n_pad);
    for (S** rows : {&g, &m}) *rows = arena.take<S>(std::max(hops, int64_t(1)) * net.n_pad);
    active = arena.take<uint64_t>(net.n_words);
  }
};

// See `backward_trial`; kHops is 0 for BPTT. With kWidth vectors of neurons sums are in registers, and so is
// the state of BPTT's neurons.
template <int kWidth, int kHops, class S>
[[gnu::noinline]] void backward_held(const Network<S>& net, const Batch& batch, const Record<S>& record,
                                     int64_t n_hops, const S* feedback, const S* __restrict rows,
                                     const S* __restrict rate, RecurrentScratch<S>& s, S* gradient) {
  constexpr bool kThroughTime = kHops == 0;
  constexpr int kSums = kHops > 1 ? kHops : 1;
  const int64_t hops = kHops == kManyHops ? n_hops : kHops, sums = std::max(hops, int64_t(1));
  const int64_t width = kWidth > 0 ? kWidth : net.n_pad / kLanes<S>, n_pad = width * kLanes<S>;
  const int64_t n_words = kWidth > 0 ? (kWidth * kLanes<S> + 63) / 64 : net.n_words;
  const int64_t first = batch.n_steps - net.window;
  const WayBack<S> back = net.back;
  const S rho = net.rho;
  const Events& events = record.events;
  fill(s.source, S(0), n_pad);
  for (S* levels : {s.lam_a, s.lam_v}) fill(levels, S(0), (hops + 1) * n_pad);
  fill(s.m, S(0), sums * n_pad);
  constexpr int kHeldLevels = kThroughTime ? kWidth : 0;
  Held<kHeldLevels, Vec<S>> lam_a(s.lam_a), lam_v(s.lam_v);
  Held<kWidth * kSums, Vec<S>> m(s.m);
  S* __restrict g = s.g;
  const S* __restrict source = s.source;
  S decay = 1;
  for (int64_t t = batch.n_steps - 1; t >= 0; --t) {
    if (t < first) decay *= back.kappa;
    else add_errors(net, s.source, record.sent + (t - first) * net.n_out, feedback, back.kappa);
    const S* __restrict psi = s.trial.psi + t * n_pad;
    Bits<S> active(s.active);
    for_vectors<kWidth>(width, [&](int64_t i) {
      const int64_t j = i * kLanes<S>;
      const Vec<S> slope = at(psi + j), drive = decay * at(source + j) + at(rate + j);
      const bool adaptive = j >= back.n_regular;
#pragma GCC unroll 5
      for (int64_t k = 0; k <= hops; ++k) {
        const int64_t here = k * width + i;
        Vec<S> dz = drive;
        if (kThroughTime) dz += m[i];
        else if (k > 0) dz += m[here - width];
        if (!kThroughTime) dz -= back.theta * lam_v[here];
        if (adaptive) dz += lam_a[here];
        const Vec<S> found = slope * dz;
        if (adaptive) lam_a[here] = rho * lam_a[here] - at(back.beta + j) * found;
        lam_v[here] = back.alpha * lam_v[here] + found;
        if (kThroughTime || k < hops) at(g + k * n_pad + j) = found;
      }
      active.add(i, slope != Vec<S>{});
    });
    for (int64_t e = events.offset[t]; e < events.offset[t + 1]; ++e) {
      S* total = gradient + events.index[e] * n_pad;
      for_vectors<kWidth>(width, [&](int64_t i) { at(total + i * kLanes<S>) += lam_v[hops * width + i]; });
    }
    // m[t] = alpha m[t+1] + g[t] W^T
    if constexpr (kWidth > 0) {
      for_vectors<kWidth * kSums>(0, [&](int64_t i) { m[i] *= back.alpha; });
      add_active<kSums, kWidth>(net, s.active, n_words, rows, g, m.vectors);
    } else {
      send_all(net, sums, s.active, rows, g, s.m);
    }
  }
}

// Adds the gradients of W_in and W_rec of a trial whose psi is in s.trial.
//
// hops: 0 for BPTT.
// feedback: (n_out, n_pad) F^T times `gain`, (1 - kappa)/(batch * window).
// rows: (n_rec, n_pad) transposed w_rec; of BPTT with the reset on its diagonal, unless that is detached.
// rate: (n_pad,) derivative of the rate cost by a spike, c_j.
// gradient: (n_pre, n_pad).
template <class S>
inline void backward_trial(const Network<S>& net, const Batch& batch, const Record<S>& record, int64_t hops,
                           const S* feedback, const S* rows, const S* rate, RecurrentScratch<S>& s,
                           S* gradient) {
  static_assert(kLevels == 4);
  const auto run = with_held(net.n_pad / kLanes<S>, [&](auto kWidth) {
    constexpr int kHere = kWidth.value;
    if (hops == 0) return backward_held<kHere, 0, S>;
    if constexpr (kHere > 0) {
      if (hops == 1) return backward_held<kHere, 1, S>;
      if (hops == 2) return backward_held<kHere, 2, S>;
      if (hops == 4) return backward_held<kHere, 4, S>;
    }
    return backward_held<0, kManyHops, S>;
  });
  run(net, batch, record, hops, feedback, rows, rate, s, gradient);
}

}  // namespace eprop_bench
