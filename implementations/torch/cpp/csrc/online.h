// e-prop online: eligibility traces carried forward, memory that does not grow with the trial.
//
// The traces of kBlock steps are advanced at once. Within a block, what a trace becomes is linear in what it
// was and in the spikes that came in: each sum over the block of w[t] e[t] is found by one backward recursion
// per neuron, as in the adjoint form, instead of one update per synapse and step. At the end of each block
// stand exactly the traces that step-by-step updates give (README.md, "online"), to rounding.
//
// Through the reset, potentials have a trace per synapse. What a block gets of it is then
// w_ij = alpha eps_v_ij - theta e_ij of the step before, in place of alpha eps_v_i: one more array and sum.
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

  void restart(int64_t n_pad, S last_v, S last_a) {
    fill(v, last_v, n_pad);
    fill(a, last_a, n_pad);
  }
};

template <bool kReset, class S>
struct OnlineScratch {
  ForwardScratch<S> forward;
  S* psi;   // (kBlock, n_pad)
  S* sent;  // (window, n_out) what goes back to the neurons: ell, or a signal of its own
  S* lbar;
  S* source;
  Recursion<S> to_bar, to_a, to_sum, to_error;
  Recursion<S> to_w;  // with kReset
  // Traces before the block: pre filtered by alpha, or w; z by kappa; ebar/(1 - kappa), and eps_a of the
  // neurons from n_regular on.
  S* eps_v;  // (n_pre,), without kReset
  S* w;      // (n_pre, n_pad), with it
  S* zbar;   // (n_rec,)
  S* e_bar;  // (n_pre, n_pad)
  S* eps_a;  // (n_pre, n_adaptive)
  // What the spikes of the block add to them.
  S* eps_v_new;
  S* w_new;
  S* zbar_new;
  S* e_bar_new;
  S* eps_a_new;

  void lay_out(Arena& arena, const Network<S>& net, const Batch&) {
    const int64_t n_adaptive = net.n_pad - net.back.n_regular;
    forward.lay_out(arena, net);
    psi = arena.take<S>(kBlock * net.n_pad);
    sent = net.back.target ? arena.take<S>(net.window * net.n_out) : forward.ell;
    lbar = arena.take<S>(net.n_out);
    source = arena.take<S>(net.n_pad);
    for (Recursion<S>* sum : {&to_bar, &to_a, &to_sum, &to_error, &to_w}) sum->lay_out(arena, net.n_pad);
    for (S** trace : {&eps_v, &eps_v_new}) *trace = arena.take<S>(kReset ? 0 : net.n_pre);
    for (S** trace : {&w, &w_new}) *trace = arena.take<S>(kReset ? net.n_pre * net.n_pad : 0);
    for (S** trace : {&zbar, &zbar_new}) *trace = arena.take<S>(net.n_rec);
    for (S** trace : {&e_bar, &e_bar_new}) *trace = arena.take<S>(net.n_pre * net.n_pad);
    for (S** trace : {&eps_a, &eps_a_new}) *trace = arena.take<S>(net.n_pre * n_adaptive);
  }

  void restart(const Network<S>& net) {
    const int64_t n_adaptive = net.n_pad - net.back.n_regular;
    forward.state.restart(net);
    forward.events.restart();
    for (S* trace : {eps_v, eps_v_new}) fill(trace, S(0), kReset ? 0 : net.n_pre);
    for (S* trace : {w, w_new}) fill(trace, S(0), kReset ? net.n_pre * net.n_pad : 0);
    for (S* trace : {zbar, zbar_new}) fill(trace, S(0), net.n_rec);
    for (S* trace : {e_bar, e_bar_new}) fill(trace, S(0), net.n_pre * net.n_pad);
    for (S* trace : {eps_a, eps_a_new}) fill(trace, S(0), net.n_pre * n_adaptive);
  }
};

// One step back of one sum: `pushed` is what g gets from outside, psi times the weight of the sum.
template <bool kReset, bool kAdaptive, class S>
inline void backward_sum(const Network<S>& net, int64_t j, Vec<S> slope, Vec<S> pushed,
                         const Recursion<S>& sum) {
  const Vec<S> v = at(sum.v + j);
  Vec<S> g = pushed;
  if constexpr (kReset && kAdaptive) g += slope * (at(sum.a + j) - net.back.theta * v);
  else if constexpr (kAdaptive) g += slope * at(sum.a + j);
  else if constexpr (kReset) g -= slope * (net.back.theta * v);
  at(sum.v + j) = net.back.alpha * v + g;
  if constexpr (kAdaptive) at(sum.a + j) = net.rho * at(sum.a + j) - at(net.back.beta + j) * g;
}

// One step back for all sums that every block needs: ebar at the end of the block, eps_a there, the sum of e
// and, with kReset, w at the end.
template <bool kReset, class S>
inline void backward_traces(const Network<S>& net, const S* __restrict psi, S weight,
                            const OnlineScratch<kReset, S>& s) {
  int64_t j = 0;
  for (; j < net.back.n_regular; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j);
    backward_sum<kReset, false>(net, j, slope, weight * slope, s.to_bar);
    backward_sum<kReset, false>(net, j, slope, slope, s.to_sum);
    if constexpr (kReset) backward_sum<kReset, false>(net, j, slope, Vec<S>{}, s.to_w);
  }
  for (; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j);
    backward_sum<kReset, true>(net, j, slope, weight * slope, s.to_bar);
    backward_sum<kReset, true>(net, j, slope, Vec<S>{}, s.to_a);
    backward_sum<kReset, true>(net, j, slope, slope, s.to_sum);
    if constexpr (kReset) backward_sum<kReset, true>(net, j, slope, Vec<S>{}, s.to_w);
  }
}

// One step back for the sum of the learning signal times ebar.
template <bool kReset, class S>
inline void backward_errors(const Network<S>& net, const S* __restrict psi, S* __restrict source,
                            const Recursion<S>& to_error) {
  for (int64_t j = 0; j < net.n_pad; j += kLanes<S>) {
    const Vec<S> slope = at(psi + j), signal = at(source + j);
    backward_sum<kReset, true>(net, j, slope, slope * signal, to_error);
    at(source + j) = net.back.kappa * signal;
  }
}

// The block's sum of the learning signal times ebar, the part of the traces before it; of presynaptic neuron i.
// `source` is the error filtered back to the start of the block, and has decayed once more than to its first
// step, which is ebar's kappa.
template <bool kReset, class S>
inline void add_carried_errors(const Network<S>& net, int64_t i, const OnlineScratch<kReset, S>& s,
                               S* __restrict total) {
  const int64_t n_regular = net.back.n_regular;
  const S* __restrict e_bar = s.e_bar + i * net.n_pad;
  const S* __restrict eps_a = s.eps_a + i * (net.n_pad - n_regular);
  const S* __restrict source = s.source;
  const S carried = kReset ? S(0) : net.back.alpha * s.eps_v[i];
  for (int64_t j = 0; j < net.n_pad; j += kLanes<S>) {
    Vec<S> sum = at(source + j) * at(e_bar + j);
    if (j >= n_regular) sum += at(s.to_error.a + j) * at(eps_a + j - n_regular);
    if constexpr (kReset) sum += at(s.w + i * net.n_pad + j) * at(s.to_error.v + j);
    else sum += carried * at(s.to_error.v + j);
    at(total + j) += sum;
  }
}

// The traces of presynaptic neuron i to the end of the block, and their part in the sum of e. `_new` is left
// at 0. decay is ebar's over the block.
template <bool kReset, class S>
inline void carry_traces(const Network<S>& net, int64_t i, S decay, const OnlineScratch<kReset, S>& s,
                         S* __restrict sum) {
  const int64_t n_regular = net.back.n_regular, n_adaptive = net.n_pad - n_regular;
  S* __restrict e_bar = s.e_bar + i * net.n_pad;
  S* __restrict e_bar_new = s.e_bar_new + i * net.n_pad;
  S* __restrict eps_a = s.eps_a + i * n_adaptive;
  S* __restrict eps_a_new = s.eps_a_new + i * n_adaptive;
  S* __restrict w = s.w + i * net.n_pad;
  S* __restrict w_new = s.w_new + i * net.n_pad;
  Vec<S> carried = kReset ? Vec<S>{} : splat<S>(net.back.alpha * s.eps_v[i]);
  int64_t j = 0;
  for (; j < n_regular; j += kLanes<S>) {
    if constexpr (kReset) {
      carried = at(w + j);
      at(w + j) = at(w_new + j) + carried * at(s.to_w.v + j);
      at(w_new + j) = Vec<S>{};
    }
    at(e_bar + j) = decay * at(e_bar + j) + at(e_bar_new + j) + carried * at(s.to_bar.v + j);
    at(e_bar_new + j) = Vec<S>{};
    at(sum + j) += carried * at(s.to_sum.v + j);
  }
  for (int64_t k = 0; j < net.n_pad; k += kLanes<S>, j += kLanes<S>) {
    const Vec<S> before = at(eps_a + k);
    if constexpr (kReset) {
      carried = at(w + j);
      at(w + j) = at(w_new + j) + carried * at(s.to_w.v + j) + at(s.to_w.a + j) * before;
      at(w_new + j) = Vec<S>{};
    }
    at(e_bar + j) = decay * at(e_bar + j) + at(e_bar_new + j) + carried * at(s.to_bar.v + j) +
                    at(s.to_bar.a + j) * before;
    at(e_bar_new + j) = Vec<S>{};
    at(eps_a + k) = at(eps_a_new + k) + carried * at(s.to_a.v + j) + at(s.to_a.a + j) * before;
    at(eps_a_new + k) = Vec<S>{};
    at(sum + j) += carried * at(s.to_sum.v + j) + at(s.to_sum.a + j) * before;
  }
}

// Adds the gradients of trial b; arguments as in `eprop_trial`, which gives the same numbers.
template <bool kReset, class S>
inline void online_trial(const Network<S>& net, const Batch& batch, int64_t b, const S* feedback, S gain,
                         OnlineScratch<kReset, S>& s, S* gradient, S* gradient_out, Sums& sums) {
  const int64_t n_steps = batch.n_steps, first = n_steps - net.window;
  const int64_t n_in = net.n_in, n_rec = net.n_rec, n_out = net.n_out, n_pre = net.n_pre, n_pad = net.n_pad;
  const int64_t n_regular = net.back.n_regular, n_adaptive = n_pad - n_regular;
  const Events& events = s.forward.events;
  const State<S>& state = s.forward.state;
  s.restart(net);
  for (int64_t start = 0; start < n_steps; start += kBlock) {
    const int64_t stop = std::min(start + kBlock, n_steps);
    advance<true, false>(net, batch, batch.trial(b), start, stop, state, events, s.psi, sums.counts);

    const bool errors = stop > first;
    if (errors) {
      const int64_t from = std::max(start, first), inside = from - first;
      if (inside == 0) begin_readout(net, state);
      read_out(net, events, from - start, stop - start, state.y, s.forward.readout + inside * n_out);
      sums.loss += task_loss(net, batch, b, s.forward.readout, inside, stop - first, s.forward.ell);
      if (net.back.target) target_signal(net, batch, b, inside, stop - first, s.sent);
      fill(s.source, S(0), n_pad);
      fill(s.lbar, S(0), n_out);
      readout_gradient(net, events, from - start, stop - start, s.forward.ell + inside * n_out, gain, s.lbar,
                       gradient_out);
      readout_gradient<S>(net, events, 0, from - start, nullptr, gain, s.lbar, gradient_out);
      s.to_error.restart(n_pad, S(0), S(0));
    }
    s.to_bar.restart(n_pad, S(0), S(0));
    s.to_a.restart(n_pad, S(0), S(1));
    s.to_sum.restart(n_pad, S(0), S(0));
    if constexpr (kReset) s.to_w.restart(n_pad, S(1), S(0));
    S back_power = 1, kappa_power = 1, alpha_power = 1;  // to the power of stop - 1 - t
    for (int64_t t = stop - 1; t >= start; --t) {
      const int64_t k = t - start;
      const S* psi = s.psi + k * n_pad;
      if (errors) {
        if (t >= first) add_errors(net, s.source, s.sent + (t - first) * n_out, feedback, S(1));
        backward_errors<kReset>(net, psi, s.source, s.to_error);
        for (int64_t e = events.offset[k]; e < events.offset[k + 1]; ++e) {
          add_row(gradient + events.index[e] * 2 * n_pad, s.to_error.v, n_pad);
        }
      }
      backward_traces(net, psi, back_power, s);
      for (int64_t e = events.offset[k]; e < events.offset[k + 1]; ++e) {
        const int64_t i = events.index[e];
        add_row(s.e_bar_new + i * n_pad, s.to_bar.v, n_pad);
        add_row(s.eps_a_new + i * n_adaptive, s.to_a.v + n_regular, n_adaptive);
        add_row(gradient + (2 * i + 1) * n_pad, s.to_sum.v, n_pad);
        if constexpr (kReset) add_row(s.w_new + i * n_pad, s.to_w.v, n_pad);
        else s.eps_v_new[i] += alpha_power;
      }
      for (int64_t e = events.offset[k + 1]; e < events.middle[k + 1]; ++e) {
        s.zbar_new[events.index[e] - n_in] += kappa_power;
      }
      back_power *= net.back.kappa;
      kappa_power *= net.kappa;
      alpha_power *= net.back.alpha;
    }

    // the powers are those of the whole block now
    for (int64_t i = 0; i < n_pre; ++i) {
      S* rows = gradient + 2 * i * n_pad;
      if (errors) add_carried_errors(net, i, s, rows);
      carry_traces(net, i, back_power, s, rows + n_pad);
      if constexpr (!kReset) {
        s.eps_v[i] = alpha_power * s.eps_v[i] + s.eps_v_new[i];
        s.eps_v_new[i] = 0;
      }
    }
    if (errors) add_before(net, s.zbar, s.lbar, gradient_out);
    for (int64_t j = 0; j < n_rec; ++j) {
      s.zbar[j] = kappa_power * s.zbar[j] + s.zbar_new[j];
      s.zbar_new[j] = 0;
    }
    events.carry(stop - start);
  }
  sums.corrects += is_correct(net, batch, b, s.forward.readout);
}

}  // namespace eprop_bench
