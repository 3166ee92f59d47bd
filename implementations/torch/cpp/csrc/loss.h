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

// Loss of trial b, summed over the steps `start` to `stop` - 1 of the window; ell (window, n_out) out is the
// derivative of that sum by readout (window, n_out).
template <class S>
inline double task_loss(const Network<S>& net, const Batch& batch, int64_t b, const S* readout, int64_t start,
                        int64_t stop, S* ell) {
  const int64_t n_out = net.n_out;
  double loss = 0;
  for (int64_t t = start; t < stop; ++t) {
    const S* y = readout + t * n_out;
    S* error = ell + t * n_out;
    if (batch.classes != nullptr) {
      S top = y[0];
      for (int64_t o = 1; o < n_out; ++o) top = y[o] > top ? y[o] : top;
      S total = 0;
      for (int64_t o = 0; o < n_out; ++o) total += error[o] = std::exp(y[o] - top);
      loss += std::log(total) + top - y[batch.classes[b]];
      for (int64_t o = 0; o < n_out; ++o) error[o] /= total;
      error[batch.classes[b]] -= S(1);
    } else {
      const S* target = static_cast<const S*>(batch.curves) + (b * net.window + t) * n_out;
      for (int64_t o = 0; o < n_out; ++o) {
        error[o] = y[o] - target[o];
        loss += 0.5 * double(error[o]) * double(error[o]);
      }
    }
  }
  return loss;
}

// What goes back to the neurons in place of ell, where that is minus the target; arguments as above.
template <class S>
inline void target_signal(const Network<S>& net, const Batch& batch, int64_t b, int64_t start, int64_t stop,
                          S* sent) {
  const int64_t n_out = net.n_out;
  for (int64_t t = start; t < stop; ++t) {
    for (int64_t o = 0; o < n_out; ++o) {
      sent[t * n_out + o] =
          batch.classes != nullptr
              ? S(o == batch.classes[b] ? -1 : 0)
              : -static_cast<const S*>(batch.curves)[(b * net.window + t) * n_out + o];
    }
  }
}

// Whether the readout (window, n_out), summed over the window, is largest at the target.
template <class S>
inline bool is_correct(const Network<S>& net, const Batch& batch, int64_t b, const S* readout) {
  if (batch.classes == nullptr) return false;
  int64_t best = -1;
  double highest = 0;
  for (int64_t o = 0; o < net.n_out; ++o) {
    double total = 0;
    for (int64_t t = 0; t < net.window; ++t) total += readout[t * net.n_out + o];
    if (best < 0 || total > highest) {
      highest = total;
      best = o;
    }
  }
  return best == batch.classes[b];
}

// gradient (n_rec, n_out) += sum over the steps of z[t] lbar[t]. lbar (n_out,) holds kappa lbar[stop] and is
// left at kappa lbar[start]; ell is scaled by `gain`.
template <class S>
inline void readout_gradient(const Network<S>& net, const S* ell, S gain, int64_t start, int64_t stop,
                             int64_t first, const Events& events, S* lbar, S* gradient) {
  for (int64_t t = stop - 1; t >= start; --t) {
    const int64_t k = t - start + 1;
    for (int64_t o = 0; o < net.n_out; ++o) {
      S total = lbar[o];
      if (t >= first) total += gain * ell[(t - first) * net.n_out + o];
      for (int64_t e = events.offset[k]; e < events.middle[k]; ++e) {
        gradient[(events.index[e] - net.n_in) * net.n_out + o] += total;
      }
      lbar[o] = net.kappa * total;
    }
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
  uint64_t* words;

  void lay_out(Arena& arena, const Network<S>& net, int64_t n_readout) {
    state.lay_out(arena, net);
    events.lay_out(arena, net, kBlock);
    readout = arena.take<S>(n_readout * net.n_out);
    ell = arena.take<S>(net.window * net.n_out);
    words = arena.take<uint64_t>(net.n_words);
  }
};

// What the forward pass of trials alone leaves for a second one, in which their rates are known.
template <class S>
struct Kept {
  uint64_t* words;  // (n_trials, n_steps, n_words) spikes
  S* ell;           // (n_trials, window, n_out)

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch) {
    words = arena.take<uint64_t>(batch.n_trials * batch.n_steps * net.n_words);
    ell = arena.take<S>(batch.n_trials * net.window * net.n_out);
  }
};

// The forward pass of trial b alone: adds to `sums`, and writes to `kept` if that is not null.
template <class S>
inline void evaluate_trial(const Network<S>& net, const Batch& batch, int64_t b, ForwardScratch<S>& s,
                           const Kept<S>* kept, Sums& sums) {
  const int64_t first = batch.n_steps - net.window, words_step = kept != nullptr ? net.n_words : 0;
  uint64_t* words = kept != nullptr ? kept->words + b * batch.n_steps * net.n_words : s.words;
  S* ell = kept != nullptr ? kept->ell + b * net.window * net.n_out : s.ell;
  s.state.restart(net);
  s.events.restart();
  for (int64_t start = 0; start < batch.n_steps; start += kBlock) {
    const int64_t stop = std::min(start + kBlock, batch.n_steps);
    advance<false, false>(net, batch, batch.trial(b), start, stop, s.state, s.events, static_cast<S*>(nullptr),
                          words + start * words_step, words_step, sums.counts);
    read_out(net, start, stop, first, s.events, s.state.y, s.readout);
    s.events.carry(stop - start);
  }
  sums.loss += task_loss(net, batch, b, s.readout, 0, net.window, ell);
  sums.corrects += is_correct(net, batch, b, s.readout);
}

// Memory of a thread for one trial, of which all is kept that the way back needs.
template <class S>
struct TrialScratch {
  State<S> state;
  Events events;
  S* psi;  // (T, n_pad), if that is needed
  S* readout;
  S* ell;
  S* sent;  // what goes back to the neurons: ell, or a signal of its own
  S* lbar;
  uint64_t* words;

  void lay_out(Arena& arena, const Network<S>& net, const Batch& batch, bool with_psi) {
    state.lay_out(arena, net);
    events.lay_out(arena, net, batch.n_steps);
    psi = arena.take<S>(with_psi ? batch.n_steps * net.n_pad : 0);
    readout = arena.take<S>(net.window * net.n_out);
    ell = arena.take<S>(net.window * net.n_out);
    sent = net.back.target ? arena.take<S>(net.window * net.n_out) : ell;
    lbar = arena.take<S>(net.n_out);
    words = arena.take<uint64_t>(net.n_words);
  }
};

// What goes back to the neurons and the gradient of W_out, once events and ell of trial b are there.
template <class S>
inline void turn_back(const Network<S>& net, const Batch& batch, int64_t b, S gain, TrialScratch<S>& s,
                      S* gradient_out) {
  if (net.back.target) target_signal(net, batch, b, 0, net.window, s.sent);
  fill(s.lbar, S(0), net.n_out);
  readout_gradient(net, s.ell, gain, 0, batch.n_steps, batch.n_steps - net.window, s.events, s.lbar,
                   gradient_out);
}

// The forward pass of trial b, with psi or without: adds to `sums` and to gradient_out (n_rec, n_out).
// `gain`: (1 - kappa)/(batch * window), by which ell is scaled.
template <bool kPsi, class S>
inline void forward_trial(const Network<S>& net, const Batch& batch, int64_t b, S gain, TrialScratch<S>& s,
                          S* gradient_out, Sums& sums) {
  const int64_t n_steps = batch.n_steps;
  s.state.restart(net);
  s.events.restart();
  advance<kPsi, false>(net, batch, batch.trial(b), 0, n_steps, s.state, s.events, s.psi, s.words, 0,
                       sums.counts);
  read_out(net, 0, n_steps, n_steps - net.window, s.events, s.state.y, s.readout);
  sums.loss += task_loss(net, batch, b, s.readout, 0, net.window, s.ell);
  sums.corrects += is_correct(net, batch, b, s.readout);
  turn_back(net, batch, b, gain, s, gradient_out);
}

// The same of a trial that `evaluate_trial` has kept: what it added to sums then is left out.
template <class S>
inline void repeat_trial(const Network<S>& net, const Batch& batch, int64_t b, S gain, const Kept<S>& kept,
                         TrialScratch<S>& s, S* gradient_out) {
  const int64_t n_steps = batch.n_steps, size = net.window * net.n_out;
  s.state.restart(net);
  s.events.restart();
  advance<true, true>(net, batch, batch.trial(b), 0, n_steps, s.state, s.events, s.psi,
                      kept.words + b * n_steps * net.n_words, net.n_words, static_cast<int64_t*>(nullptr));
  std::memcpy(s.ell, kept.ell + b * size, size * sizeof(S));
  turn_back(net, batch, b, gain, s, gradient_out);
}

}  // namespace eprop_bench
