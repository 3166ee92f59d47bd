// Loss of one trial and its derivative by the readout.
#pragma once

#include <cmath>

#include "dynamics.h"

namespace eprop_bench {

// What a chunk of trials adds to the metrics of a batch.
struct Sums {
  int64_t* counts;  // (n_rec,) spikes
  double loss;
  int64_t corrects;
};

// By how much the steps of the window count in trial b, (window,); null where all count alike.
template <class S>
inline const S* shares_of(const Network<S>& net, const Batch& batch, int64_t b) {
  return batch.shares == nullptr ? nullptr : static_cast<const S*>(batch.shares) + b * net.window;
}

// Loss of trial b, summed over the steps `start` to `stop` - 1 of the window; ell (window, n_out) out is the
// derivative of that sum by readout (window, n_out).
template <class S>
inline double task_loss(const Network<S>& net, const Batch& batch, int64_t b, const S* readout, int64_t start,
                        int64_t stop, S* ell) {
  const int64_t n_out = net.n_out;
  const S* shares = shares_of(net, batch, b);
  double loss = 0;
  for (int64_t t = start; t < stop; ++t) {
    const S* y = readout + t * n_out;
    const S share = shares == nullptr ? S(1) : shares[t];
    S* error = ell + t * n_out;
    if (batch.classes != nullptr) {
      S top = y[0];
      for (int64_t o = 1; o < n_out; ++o) top = y[o] > top ? y[o] : top;
      S total = 0;
      for (int64_t o = 0; o < n_out; ++o) total += error[o] = std::exp(y[o] - top);
      if (shares != nullptr) loss += share * (std::log(total) + top - y[batch.classes[b]]);
      else loss += std::log(total) + top - y[batch.classes[b]];  // the compiler adds a product in another order
      for (int64_t o = 0; o < n_out; ++o) error[o] /= total;
      error[batch.classes[b]] -= S(1);
    } else {
      const S* target = static_cast<const S*>(batch.curves) + (b * net.window + t) * n_out;
      for (int64_t o = 0; o < n_out; ++o) {
        error[o] = y[o] - target[o];
        loss += double(share) * (0.5 * double(error[o]) * double(error[o]));
      }
    }
    if (shares == nullptr) continue;
    for (int64_t o = 0; o < n_out; ++o) error[o] *= share;
  }
  return loss;
}

// What goes back to the neurons in place of ell, where that is minus the target; arguments as above.
template <class S>
inline void target_signal(const Network<S>& net, const Batch& batch, int64_t b, int64_t start, int64_t stop,
                          S* sent) {
  const int64_t n_out = net.n_out;
  const S* shares = shares_of(net, batch, b);
  for (int64_t t = start; t < stop; ++t) {
    for (int64_t o = 0; o < n_out; ++o) {
      sent[t * n_out + o] =
          batch.classes != nullptr
              ? S(o == batch.classes[b] ? -1 : 0)
              : -static_cast<const S*>(batch.curves)[(b * net.window + t) * n_out + o];
      if (shares != nullptr) sent[t * n_out + o] *= shares[t];
    }
  }
}

// Whether the readout (window, n_out), summed over the steps that count, is largest at the target.
template <class S>
inline bool is_correct(const Network<S>& net, const Batch& batch, int64_t b, const S* readout) {
  if (batch.classes == nullptr) return false;
  const S* shares = shares_of(net, batch, b);
  int64_t best = -1;
  double highest = 0;
  for (int64_t o = 0; o < net.n_out; ++o) {
    double total = 0;
    for (int64_t t = 0; t < net.window; ++t) {
      if (shares == nullptr || shares[t] > 0) total += readout[t * net.n_out + o];
    }
    if (best < 0 || total > highest) {
      highest = total;
      best = o;
    }
  }
  return best == batch.classes[b];
}

// gradient (n_rec, n_out) += sum over steps `from` to `to` - 1 of the events of z[t] lbar[t]. lbar (n_out,)
// holds kappa lbar of step `to`, and is left at that of step `from`; ell (to - from, n_out), 0 where it is null,
// is scaled by `gain`.
template <class S>
inline void readout_gradient(const Network<S>& net, const Events& events, int64_t from, int64_t to,
                             const S* ell, S gain, S* lbar, S* gradient) {
  for (int64_t k = to - 1; k >= from; --k) {
    for (int64_t o = 0; o < net.n_out; ++o) {
      S total = lbar[o];
      if (ell != nullptr) total += gain * ell[(k - from) * net.n_out + o];
      for (int64_t e = events.offset[k + 1]; e < events.middle[k + 1]; ++e) {
        gradient[(events.index[e] - net.n_in) * net.n_out + o] += total;
      }
      lbar[o] = net.kappa * total;
    }
  }
}

// gradient (n_rec, n_out) += zbar lbar, with zbar (n_rec,) of the steps before those of lbar (n_out,).
template <class S>
inline void add_before(const Network<S>& net, const S* zbar, const S* lbar, S* gradient) {
  for (int64_t j = 0; j < net.n_rec; ++j) {
    for (int64_t o = 0; o < net.n_out; ++o) gradient[j * net.n_out + o] += lbar[o] * zbar[j];
  }
}

// source = decay source + ell F^T, with ell (n_out,) and F^T = feedback (n_out, n_pad).
template <class S>
inline void add_errors(const Network<S>& net, S* __restrict source, const S* ell,
                       const S* __restrict feedback, S decay) {
  for (int64_t j = 0; j < net.n_pad; j += kLanes<S>) {
    Vec<S> total = decay * at(source + j);
    for (int64_t o = 0; o < net.n_out; ++o) total += ell[o] * at(feedback + o * net.n_pad + j);
    at(source + j) = total;
  }
}

// Memory of a thread for trials of which nothing is kept that grows with their length.
template <class S>
struct ForwardScratch {
  State<S> state;
  Events events;
  S* readout;
  S* ell;

  void lay_out(Arena& arena, const Network<S>& net) {
    state.lay_out(arena, net);
    events.lay_out(arena, net, kBlock, kBlock * net.n_in);
    readout = arena.take<S>(net.window * net.n_out);
    ell = arena.take<S>(net.window * net.n_out);
  }
};

// The forward pass of trial b alone: adds to `sums`.
template <class S>
inline void evaluate_trial(const Network<S>& net, const Batch& batch, int64_t b, ForwardScratch<S>& s,
                           Sums& sums) {
  const int64_t first = batch.n_steps - net.window;
  s.state.restart(net);
  s.events.restart();
  for (int64_t start = 0; start < batch.n_steps; start += kBlock) {
    const int64_t stop = std::min(start + kBlock, batch.n_steps), from = std::max(start, first);
    advance<false, false, S>(net, batch, batch.trial(b), start, stop, s.state, s.events, nullptr, sums.counts);
    if (from == first && from < stop) begin_readout(net, s.state);
    read_out(net, s.events, from - start, stop - start, s.state.y, s.readout + (from - first) * net.n_out);
    s.events.carry(stop - start);
  }
  sums.loss += task_loss(net, batch, b, s.readout, 0, net.window, s.ell);
  sums.corrects += is_correct(net, batch, b, s.readout);
}

// What the way back needs of the forward pass of a trial, beside psi.
template <class S>
struct Record {
  Events events;
  S* sent;  // (window, n_out) what goes back to the neurons: ell, or a signal of its own

  // For trials in which n inputs spike.
  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, int64_t n) {
    events.lay_out(arena, net, batch.n_steps, n);
    sent = arena.take<S>(net.window * net.n_out);
  }
};

// Memory of a thread for a forward pass that is recorded.
template <class S>
struct TrialScratch {
  State<S> state;
  S* psi;  // (T, n_pad), where it is needed
  S* readout;
  S* ell;
  S* lbar;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, bool with_psi) {
    state.lay_out(arena, net);
    psi = arena.take<S>(with_psi ? batch.n_steps * net.n_pad : 0);
    readout = arena.take<S>(net.window * net.n_out);
    ell = arena.take<S>(net.window * net.n_out);
    lbar = arena.take<S>(net.n_out);
  }
};

// The forward pass of trial b, with psi or without: adds to `sums`, and the gradient of W_out to gradient_out
// (n_rec, n_out). gain: (1 - kappa)/(batch * window).
template <bool kPsi, class S>
inline void forward_trial(const Network<S>& net, const Batch& batch, int64_t b, S gain, TrialScratch<S>& s,
                          const Record<S>& record, S* gradient_out, Sums& sums) {
  const int64_t n_steps = batch.n_steps, first = n_steps - net.window;
  S* ell = net.back.target ? s.ell : record.sent;
  s.state.restart(net);
  record.events.restart();
  advance<kPsi, false>(net, batch, batch.trial(b), 0, n_steps, s.state, record.events, s.psi, sums.counts);
  begin_readout(net, s.state);
  read_out(net, record.events, first, n_steps, s.state.y, s.readout);
  sums.loss += task_loss(net, batch, b, s.readout, 0, net.window, ell);
  sums.corrects += is_correct(net, batch, b, s.readout);
  if (net.back.target) target_signal(net, batch, b, 0, net.window, record.sent);
  fill(s.lbar, S(0), net.n_out);
  readout_gradient(net, record.events, first, n_steps, ell, gain, s.lbar, gradient_out);
  add_before(net, s.state.zbar, s.lbar, gradient_out);
}

// psi of trial b, whose forward pass is recorded.
template <class S>
inline void find_psi(const Network<S>& net, const Batch& batch, int64_t b, TrialScratch<S>& s,
                     const Record<S>& record) {
  s.state.restart(net);
  advance<true, true, S>(net, batch, batch.trial(b), 0, batch.n_steps, s.state, record.events, s.psi, nullptr);
}

}  // namespace eprop_bench
