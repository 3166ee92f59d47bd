// The backward recursion of each neuron by itself, over a stored trial: adjoint e-prop; online.h has the other
// form, and bptt.h the recursion with W_rec in it.
//
// Both forms of e-prop get by without the firing rates, which are known only after the last trial: the rate cost
// enters as c_j times a gradient, and that is linear in c_j. So the gradient of the task loss and the gradient
// for c = 1 are computed side by side, and trials never have to be kept.
#pragma once

#include "loss.h"

namespace eprop_bench {

// All neurons, one step back: from lam[t+1] to lam[t], for the task loss, and (unit) for c = 1. The learning
// signal is `decay` times `source`: before the window it only decays, by one factor for all neurons, and
// needs no storing. With `kReset` errors also cross the reset.
template <bool kReset, class S>
inline void backward_neurons(const Network<S>& net, const S* __restrict psi, S decay,
                             const S* __restrict source, S* __restrict lam_a, S* __restrict unit_a,
                             S* __restrict lam_v, S* __restrict unit_v) {
  const WayBack<S>& back = net.back;
  int64_t j = 0;
  for (; j < back.n_regular; j += kLanes<S>) {  // lam_a stays at 0
    const Vec<S> slope = at(psi + j), v = at(lam_v + j), unit = at(unit_v + j);
    Vec<S> dz = decay * at(source + j), h = slope;
    if constexpr (kReset) dz -= back.theta * v, h -= slope * (back.theta * unit);
    at(lam_v + j) = back.alpha * v + slope * dz;
    at(unit_v + j) = back.alpha * unit + h;
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j), beta = at(back.beta + j), v = at(lam_v + j), unit = at(unit_v + j);
    const Vec<S> a = at(lam_a + j);
    Vec<S> dz = decay * at(source + j) + a, inner = at(unit_a + j);
    if constexpr (kReset) dz -= back.theta * v, inner -= back.theta * unit;
    const Vec<S> g = slope * dz, h = slope + slope * inner;
    at(lam_v + j) = back.alpha * v + g;
    at(lam_a + j) = net.rho * a - beta * g;
    at(unit_v + j) = back.alpha * unit + h;
    at(unit_a + j) = net.rho * at(unit_a + j) - beta * h;
  }
}

template <class S>
struct EpropScratch {
  TrialScratch<S> trial;
  Record<S> record;
  S* source;
  S* lam_a;
  S* unit_a;
  S* both_v;  // lam_v and unit_v side by side, so that a spike adds them as one row

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch) {
    trial.lay_out(arena, net, batch, true);
    record.lay_out(arena, net, batch, batch.most_inputs());
    source = arena.take<S>(net.n_pad);
    lam_a = arena.take<S>(net.n_pad);
    unit_a = arena.take<S>(net.n_pad);
    both_v = arena.take<S>(2 * net.n_pad);
  }
};

// Adds the gradients of trial b.
//
// feedback: (n_out, n_pad) F^T times `gain`, (1 - kappa)/(batch * window).
// gradient: (n_pre, 2, n_pad) of the task loss, and per unit of c_j; gradient_out: (n_rec, n_out).
template <bool kReset, class S>
inline void eprop_trial(const Network<S>& net, const Batch& batch, int64_t b, const S* feedback, S gain,
                        EpropScratch<S>& s, S* gradient, S* gradient_out, Sums& sums) {
  const int64_t n_pad = net.n_pad, first = batch.n_steps - net.window;
  forward_trial<true>(net, batch, b, gain, s.trial, s.record, gradient_out, sums);
  const Events& events = s.record.events;
  fill(s.source, S(0), n_pad);
  fill(s.lam_a, S(0), n_pad);
  fill(s.unit_a, S(0), n_pad);
  fill(s.both_v, S(0), 2 * n_pad);
  S decay = 1;
  for (int64_t t = batch.n_steps - 1; t >= 0; --t) {
    if (t < first) decay *= net.back.kappa;
    else add_errors(net, s.source, s.record.sent + (t - first) * net.n_out, feedback, net.back.kappa);
    backward_neurons<kReset>(net, s.trial.psi + t * n_pad, decay, s.source, s.lam_a, s.unit_a, s.both_v,
                             s.both_v + n_pad);
    for (int64_t e = events.offset[t]; e < events.offset[t + 1]; ++e) {
      add_row(gradient + events.index[e] * 2 * n_pad, s.both_v, 2 * n_pad);
    }
  }
}

}  // namespace eprop_bench
