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
// needs no storing.
template <class S>
inline void backward_neurons(const Network<S>& net, const S* __restrict psi, S decay,
                             const S* __restrict source, S* __restrict lam_a, S* __restrict unit_a,
                             S* __restrict lam_v, S* __restrict unit_v) {
  int64_t j = 0;
  for (; j < net.n_regular; j += kLanes<S>) {  // lam_a stays at 0
    const Vec<S> slope = at(psi + j);
    at(lam_v + j) = net.alpha * at(lam_v + j) + slope * (decay * at(source + j));
    at(unit_v + j) = net.alpha * at(unit_v + j) + slope;
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j), beta = at(net.beta + j);
    const Vec<S> a = at(lam_a + j), unit = at(unit_a + j);
    const Vec<S> g = slope * (decay * at(source + j) + a);
    at(lam_v + j) = net.alpha * at(lam_v + j) + g;
    at(lam_a + j) = net.rho * a - beta * g;
    const Vec<S> h = slope + slope * unit;
    at(unit_v + j) = net.alpha * at(unit_v + j) + h;
    at(unit_a + j) = net.rho * unit - beta * h;
  }
}

template <class S>
struct EpropScratch {
  State<S> state;
  Events events;
  S* psi;  // (T, n_pad)
  S* readout;
  S* ell;
  S* lbar;
  S* source;
  S* lam_a;
  S* unit_a;
  S* both_v;  // lam_v and unit_v side by side, so that a spike adds them as one row
  uint64_t* words;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch) {
    state.lay_out(arena, net);
    events.lay_out(arena, net, batch.n_steps);
    psi = arena.take<S>(batch.n_steps * net.n_pad);
    readout = arena.take<S>(net.window * net.n_out);
    ell = arena.take<S>(net.window * net.n_out);
    lbar = arena.take<S>(net.n_out);
    source = arena.take<S>(net.n_pad);
    lam_a = arena.take<S>(net.n_pad);
    unit_a = arena.take<S>(net.n_pad);
    both_v = arena.take<S>(2 * net.n_pad);
    words = arena.take<uint64_t>(net.n_words);
  }
};

// Adds the gradients of trial b.
//
// feedback: (n_out, n_pad) F^T times `gain`, (1 - kappa)/(batch * window).
// gradient: (n_pre, 2, n_pad) of the task loss, and per unit of c_j; gradient_out: (n_rec, n_out).
template <class S>
inline void eprop_trial(const Network<S>& net, const Batch& batch, int64_t b, const S* feedback, S gain,
                        EpropScratch<S>& s, S* gradient, S* gradient_out, Sums& sums) {
  const int64_t n_steps = batch.n_steps, n_pad = net.n_pad, first = n_steps - net.window;
  s.state.restart(net);
  s.events.restart();
  advance<true>(net, batch, batch.trial(b), 0, n_steps, s.state, s.events, s.psi, s.words, sums.counts);
  read_out(net, 0, n_steps, first, s.events, s.state.y, s.readout);
  sums.loss += task_loss(net, batch, b, s.readout, 0, net.window, s.ell);
  sums.corrects += is_correct(net, batch, b, s.readout);

  fill(s.lbar, S(0), net.n_out);
  readout_gradient(net, s.ell, gain, 0, n_steps, first, s.events, s.lbar, gradient_out);
  fill(s.source, S(0), n_pad);
  fill(s.lam_a, S(0), n_pad);
  fill(s.unit_a, S(0), n_pad);
  fill(s.both_v, S(0), 2 * n_pad);
  S decay = 1;
  for (int64_t t = n_steps - 1; t >= 0; --t) {
    if (t >= first) add_errors(net, s.source, s.ell + (t - first) * net.n_out, feedback, net.kappa);
    else decay *= net.kappa;
    backward_neurons(net, s.psi + t * n_pad, decay, s.source, s.lam_a, s.unit_a, s.both_v, s.both_v + n_pad);
    for (int64_t e = s.events.offset[t]; e < s.events.offset[t + 1]; ++e) {
      add_row(gradient + s.events.index[e] * 2 * n_pad, s.both_v, 2 * n_pad);
    }
  }
}

}  // namespace eprop_bench
