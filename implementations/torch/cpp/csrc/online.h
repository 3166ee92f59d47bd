// e-prop online: eligibility traces carried forward, memory that does not grow with the trial.
//
// The traces of kBlock steps are advanced at once. Within a block, what a trace becomes is linear in what it
// was and in the spikes that came in: each sum over the block of w[t] e[t] is found by one backward recursion
// per neuron, as in the adjoint form, instead of one update per synapse and step. At the end of each block
// stand exactly the traces that step-by-step updates give (README.md, "online"), to rounding.
#pragma once

#include "per_neuron.h"

namespace eprop_bench {

// Coefficients of one such sum: that of what comes in (v), and that of eps_a before the block (a).
template <class S>
struct Recursion {
  S* v;  // (n_pad,)
  S* a;  // (n_pad,)

  void lay_out(Arena& arena, int64_t n_pad) {
    v = arena.take<S>(n_pad);
    a = arena.take<S>(n_pad);
  }

  void restart(int64_t n_pad, S last) {
    fill(v, S(0), n_pad);
    fill(a, last, n_pad);
  }
};

template <class S>
struct OnlineScratch {
  ForwardScratch<S> forward;
  S* psi;  // (kBlock, n_pad)
  S* lbar;
  S* source;
  Recursion<S> to_bar, to_a, to_sum, to_error;
  // Traces before the block: pre filtered by alpha, z by kappa; ebar/(1 - kappa), and eps_a of the neurons
  // from n_regular on.
  S* eps_v;  // (n_pre,)
  S* zbar;   // (n_rec,)
  S* e_bar;  // (n_pre, n_pad)
  S* eps_a;  // (n_pre, n_adaptive)
  // What the spikes of the block add to them.
  S* eps_v_new;
  S* zbar_new;
  S* e_bar_new;
  S* eps_a_new;

  void lay_out(Arena& arena, const Network<S>& net) {
    const int64_t n_adaptive = net.n_pad - net.n_regular;
    forward.lay_out(arena, net, net.window);
    psi = arena.take<S>(kBlock * net.n_pad);
    lbar = arena.take<S>(net.n_out);
    source = arena.take<S>(net.n_pad);
    for (Recursion<S>* sum : {&to_bar, &to_a, &to_sum, &to_error}) sum->lay_out(arena, net.n_pad);
    eps_v = arena.take<S>(net.n_pre);
    zbar = arena.take<S>(net.n_rec);
    e_bar = arena.take<S>(net.n_pre * net.n_pad);
    eps_a = arena.take<S>(net.n_pre * n_adaptive);
    eps_v_new = arena.take<S>(net.n_pre);
    zbar_new = arena.take<S>(net.n_rec);
    e_bar_new = arena.take<S>(net.n_pre * net.n_pad);
    eps_a_new = arena.take<S>(net.n_pre * n_adaptive);
  }

  void restart(const Network<S>& net) {
    const int64_t n_adaptive = net.n_pad - net.n_regular;
    forward.state.restart(net);
    forward.events.restart();
    for (S* trace : {eps_v, eps_v_new}) fill(trace, S(0), net.n_pre);
    for (S* trace : {zbar, zbar_new}) fill(trace, S(0), net.n_rec);
    for (S* trace : {e_bar, e_bar_new}) fill(trace, S(0), net.n_pre * net.n_pad);
    for (S* trace : {eps_a, eps_a_new}) fill(trace, S(0), net.n_pre * n_adaptive);
  }
};

// One step back for three sums: ebar at the end of the block, eps_a there, and the sum of e.
template <class S>
inline void backward_traces(const Network<S>& net, const S* __restrict psi, S weight,
                            const Recursion<S>& to_bar, const Recursion<S>& to_a,
                            const Recursion<S>& to_sum) {
  int64_t j = 0;
  for (; j < net.n_regular; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j);
    at(to_bar.v + j) = net.alpha * at(to_bar.v + j) + weight * slope;
    at(to_sum.v + j) = net.alpha * at(to_sum.v + j) + slope;
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j), beta = at(net.beta + j);
    const Vec<S> bar = at(to_bar.a + j), a = at(to_a.a + j), sum = at(to_sum.a + j);
    const Vec<S> g = slope * (weight + bar), h = slope * a, k = slope + slope * sum;
    at(to_bar.v + j) = net.alpha * at(to_bar.v + j) + g;
    at(to_bar.a + j) = net.rho * bar - beta * g;
    at(to_a.v + j) = net.alpha * at(to_a.v + j) + h;
    at(to_a.a + j) = net.rho * a - beta * h;
    at(to_sum.v + j) = net.alpha * at(to_sum.v + j) + k;
    at(to_sum.a + j) = net.rho * sum - beta * k;
  }
}

// One step back for the sum of the learning signal times ebar.
template <class S>
inline void backward_errors(const Network<S>& net, const S* __restrict psi, S* __restrict source,
                            const Recursion<S>& to_error) {
  for (int64_t j = 0; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> a = at(to_error.a + j), signal = at(source + j);
    const Vec<S> g = at(psi + j) * (signal + a);
    at(to_error.v + j) = net.alpha * at(to_error.v + j) + g;
    at(to_error.a + j) = net.rho * a - at(net.beta + j) * g;
    at(source + j) = net.kappa * signal;
  }
}

// The block's sum of the learning signal times ebar, the part of the traces before it; of one presynaptic
// neuron. `source` is the error filtered back to the start of the block, and has decayed once more than to
// its first step, which is ebar's kappa.
template <class S>
inline void add_carried_errors(const Network<S>& net, S carried, const S* __restrict e_bar,
                               const S* __restrict eps_a, const S* __restrict source,
                               const Recursion<S>& to_error, S* __restrict total) {
  int64_t j = 0;
  for (; j < net.n_regular; j += kLanes<S>) {
    at(total + j) += carried * at(to_error.v + j) + at(source + j) * at(e_bar + j);
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    at(total + j) += carried * at(to_error.v + j) + at(source + j) * at(e_bar + j) +
                     at(to_error.a + j) * at(eps_a + j - net.n_regular);
  }
}

// The traces of one presynaptic neuron to the end of the block, and their part in the sum of e. `_new` is
// left at 0.
template <class S>
inline void carry_traces(const Network<S>& net, S carried, S decay, S* __restrict e_bar,
                         S* __restrict e_bar_new, S* __restrict eps_a, S* __restrict eps_a_new,
                         const Recursion<S>& to_bar, const Recursion<S>& to_a, const Recursion<S>& to_sum,
                         S* __restrict sum) {
  int64_t j = 0;
  for (; j < net.n_regular; j += kLanes<S>) {
    at(e_bar + j) = decay * at(e_bar + j) + at(e_bar_new + j) + carried * at(to_bar.v + j);
    at(e_bar_new + j) = Vec<S>{};
    at(sum + j) += carried * at(to_sum.v + j);
  }
  for (int64_t i = 0; j < net.n_pad; i += kLanes<S>, j += kLanes<S>) {
    const Vec<S> before = at(eps_a + i);
    at(e_bar + j) = decay * at(e_bar + j) + at(e_bar_new + j) + carried * at(to_bar.v + j) +
                    at(to_bar.a + j) * before;
    at(e_bar_new + j) = Vec<S>{};
    at(eps_a + i) = at(eps_a_new + i) + carried * at(to_a.v + j) + at(to_a.a + j) * before;
    at(eps_a_new + i) = Vec<S>{};
    at(sum + j) += carried * at(to_sum.v + j) + at(to_sum.a + j) * before;
  }
}

// Adds the gradients of trial b; arguments as in `eprop_trial`, which gives the same numbers.
template <class S>
inline void online_trial(const Network<S>& net, const Batch& batch, int64_t b, const S* feedback, S gain,
                         OnlineScratch<S>& s, S* gradient, S* gradient_out, Sums& sums) {
  const int64_t n_steps = batch.n_steps, first = n_steps - net.window;
  const int64_t n_in = net.n_in, n_rec = net.n_rec, n_out = net.n_out, n_pre = net.n_pre, n_pad = net.n_pad;
  const int64_t n_regular = net.n_regular, n_adaptive = n_pad - n_regular;
  const Events& events = s.forward.events;
  const S* ell = s.forward.ell;
  s.restart(net);
  for (int64_t start = 0; start < n_steps; start += kBlock) {
    const int64_t stop = std::min(start + kBlock, n_steps);
    advance<true>(net, batch, batch.trial(b), start, stop, s.forward.state, events, s.psi, s.forward.words,
                  sums.counts);
    read_out(net, start, stop, first, events, s.forward.state.y, s.forward.readout);

    const bool errors = stop > first;
    if (errors) {
      sums.loss += task_loss(net, batch, b, s.forward.readout, std::max(start - first, int64_t(0)),
                             stop - first, s.forward.ell);
      fill(s.source, S(0), n_pad);
      fill(s.lbar, S(0), n_out);
      readout_gradient(net, ell, gain, start, stop, first, events, s.lbar, gradient_out);
      s.to_error.restart(n_pad, S(0));
    }
    s.to_bar.restart(n_pad, S(0));
    s.to_a.restart(n_pad, S(1));
    s.to_sum.restart(n_pad, S(0));
    S kappa_power = 1, alpha_power = 1;  // to the power of stop - 1 - t
    for (int64_t t = stop - 1; t >= start; --t) {
      const int64_t k = t - start;
      const S* psi = s.psi + k * n_pad;
      if (errors) {
        if (t >= first) add_errors(net, s.source, ell + (t - first) * n_out, feedback, S(1));
        backward_errors(net, psi, s.source, s.to_error);
        for (int64_t e = events.offset[k]; e < events.offset[k + 1]; ++e) {
          add_row(gradient + events.index[e] * 2 * n_pad, s.to_error.v, n_pad);
        }
      }
      backward_traces(net, psi, kappa_power, s.to_bar, s.to_a, s.to_sum);
      for (int64_t e = events.offset[k]; e < events.offset[k + 1]; ++e) {
        const int64_t i = events.index[e];
        add_row(s.e_bar_new + i * n_pad, s.to_bar.v, n_pad);
        add_row(s.eps_a_new + i * n_adaptive, s.to_a.v + n_regular, n_adaptive);
        add_row(gradient + (2 * i + 1) * n_pad, s.to_sum.v, n_pad);
        s.eps_v_new[i] += alpha_power;
      }
      for (int64_t e = events.offset[k + 1]; e < events.middle[k + 1]; ++e) {
        s.zbar_new[events.index[e] - n_in] += kappa_power;
      }
      kappa_power *= net.kappa;
      alpha_power *= net.alpha;
    }

    // kappa_power and alpha_power are those of the whole block now
    for (int64_t i = 0; i < n_pre; ++i) {
      const S carried = net.alpha * s.eps_v[i];
      S* e_bar = s.e_bar + i * n_pad;
      S* eps_a = s.eps_a + i * n_adaptive;
      S* rows = gradient + 2 * i * n_pad;
      if (errors) add_carried_errors(net, carried, e_bar, eps_a, s.source, s.to_error, rows);
      carry_traces(net, carried, kappa_power, e_bar, s.e_bar_new + i * n_pad, eps_a,
                   s.eps_a_new + i * n_adaptive, s.to_bar, s.to_a, s.to_sum, rows + n_pad);
      s.eps_v[i] = alpha_power * s.eps_v[i] + s.eps_v_new[i];
      s.eps_v_new[i] = 0;
    }
    for (int64_t j = 0; j < n_rec; ++j) {
      if (errors) {
        for (int64_t o = 0; o < n_out; ++o) gradient_out[j * n_out + o] += s.lbar[o] * s.zbar[j];
      }
      s.zbar[j] = kappa_power * s.zbar[j] + s.zbar_new[j];
      s.zbar_new[j] = 0;
    }
    events.carry(stop - start);
  }
  sums.corrects += is_correct(net, batch, b, s.forward.readout);
}

}  // namespace eprop_bench
