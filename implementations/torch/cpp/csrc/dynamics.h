// The forward pass of one trial, event-driven: a step adds one row of weights for each spike that arrives,
// of which there are one or two, instead of multiplying matrices.
//
//   here                     README.md    unit or scaling
//   State::v                 v[t]         over theta; after step t it is alpha v[t]
//   State::a                 a[t]         as there; after step t it is a[t+1]
//   u                        u[t]         as there
//   Network::beta_threshold  beta         over theta (WayBack::beta: as there)
//   Network::rows            W_in, W_rec  [W_in; W_rec - theta I] over theta: the reset is a weight
//   State::wake              refractory   the first step at which it may spike again: n_ref after a spike
//   Network::height          dampening    over theta
//   words                    z[t]         a bit per neuron
//   Network::w_out           W_out        times (1-kappa): z[t] W_out is filtered instead of z[t]
#pragma once

#include "simd.h"
#include "workspace.h"

namespace eprop_bench {

constexpr int64_t kForever = int64_t(1) << 30;  // steps; 32 bits hold the step at which a neuron wakes up
constexpr int64_t kBlock = 128;  // steps between carries where nothing may grow with the length of a trial

// Inputs as lists: those of trial b that spike at step t are index[offset[b][t] .. offset[b][t+1]).
struct Batch {
  int64_t n_trials, n_steps;
  const int64_t* offset;  // (n_trials, n_steps + 1)
  const int32_t* index;
  const int64_t* classes;  // (n_trials,) targets of cross-entropy, or null
  const void* curves;      // (n_trials, window, n_out) targets of squared error in the dtype, or null

  const int64_t* trial(int64_t b) const { return offset + b * (n_steps + 1); }
};

// What the way back of a rule has in place of the network's constants, see way_back.py.
template <class S>
struct WayBack {
  S alpha, kappa, theta;
  S* beta;            // (n_pad,)
  int64_t n_regular;  // neurons in the vectors before the first with a beta
  bool target;        // minus the target goes back to the neurons, in place of the error
};

template <class S>
struct Network {
  int64_t n_in, n_rec, n_out, n_pre;
  int64_t n_pad;      // n_rec, padded
  int64_t n_regular;  // neurons in the vectors before the first with an adaptive one
  int64_t n_words;    // 64-bit words with a bit per neuron
  S alpha, rho, kappa, height;
  Int<S> refractory_steps;
  int64_t window;
  S* rows;   // (n_pre + 1, n_pad): w_in, then w_rec with the reset on its diagonal, then zeros
  S* w_out;  // (n_rec, n_out) times (1 - kappa)
  S* beta_threshold;  // (n_pad,) in units of the threshold, 0 for regular neurons
  WayBack<S> back;
};

// What arrives, as lists of rows of `Network::rows`, of steps start + k: index[offset[k] .. offset[k+1]).
// First come the neurons that spiked one step before, up to middle[k]: so the spikes of step start + k
// are index[offset[k+1] .. middle[k+1]), less n_in.
struct Events {
  int64_t* offset;  // (steps + 1,)
  int64_t* middle;  // (steps + 1,)
  int32_t* index;

  template <class S>
  void lay_out(Arena& arena, const Network<S>& net, int64_t n_steps) {
    offset = arena.take<int64_t>(n_steps + 1);
    middle = arena.take<int64_t>(n_steps + 1);
    index = arena.take<int32_t>(n_steps * net.n_pre + net.n_rec + 2);
  }

  void restart() { offset[0] = middle[0] = 0; }

  // The spikes of the last of n steps become those before the next step.
  void carry(int64_t n) const {
    const int64_t count = middle[n] - offset[n];
    std::memmove(index, index + offset[n], count * sizeof(int32_t));
    offset[0] = 0;
    middle[0] = count;
  }
};

template <class S>
struct State {
  S* v;          // (n_pad,) alpha v[t-1] before step t; what spikes add is still to come
  S* a;          // (n_pad,) a[t] before step t
  Int<S>* wake;  // (n_pad,) the first step at which a neuron is not silent any more
  S* y;          // (n_out,)

  void lay_out(Arena& arena, const Network<S>& net) {
    v = arena.take<S>(net.n_pad);
    a = arena.take<S>(net.n_pad);
    wake = arena.take<Int<S>>(net.n_pad);
    y = arena.take<S>(net.n_out);
  }

  void restart(const Network<S>& net) {
    fill(v, S(0), net.n_pad);
    fill(a, S(0), net.n_pad);
    fill(wake, Int<S>(0), net.n_pad);
    fill(y, S(0), net.n_out);
  }
};

// All neurons, step t: adds two rows to v, writes psi (n_pad,) and a bit per spike, one or the other or both, and
// leaves the state of t+1.
template <bool kPsi, bool kSpikes, class S>
inline void neurons(const Network<S>& net, const State<S>& state, int64_t t, const S* __restrict row0,
                    const S* __restrict row1, S* __restrict psi, uint64_t* __restrict words) {
  constexpr int kWordBits = 64;
  const Vec<S> one = splat(S(1));
  const Int<S> now = Int<S>(t), wake_up = Int<S>(t) + net.refractory_steps;
  for (int64_t w = 0; w < net.n_words; ++w) {
    uint64_t word = 0;
    const int64_t stop = net.n_pad < (w + 1) * kWordBits ? net.n_pad : (w + 1) * kWordBits;
    for (int64_t j = w * kWordBits; j < stop; j += kLanes<S>) {
      const Vec<S> v = at(state.v + j) + (at(row0 + j) + at(row1 + j));
      Mask<S>& wake = lanes_at<S>(state.wake + j);
      const Mask<S> awake = wake <= now;
      Vec<S> u = v - one;
      if (j >= net.n_regular) u -= at(net.beta_threshold + j) * at(state.a + j);
      const Mask<S> z = (u > Vec<S>{}) & awake;
      if constexpr (kPsi) {
        const Vec<S> slope = one - abs<S>(u);
        at(psi + j) = keep<S>((slope > Vec<S>{}) & awake, net.height * slope);
      }
      if (j >= net.n_regular) at(state.a + j) = net.rho * at(state.a + j) + keep<S>(z, one);
      wake = z ? Mask<S>{} + wake_up : wake;
      at(state.v + j) = net.alpha * v;
      if constexpr (kSpikes) word |= bits<S>(z) << (j % kWordBits);
    }
    if constexpr (kSpikes) words[w] = word;
  }
}

// Steps `start` to `stop` - 1 of a trial, whose input lists are offset (n_steps + 1,) into `batch.index`.
// psi (steps, n_pad) is written unless `kPsi` is false; counts (n_rec,) of spikes are added to. Words of a step
// (n_words,) of spikes are left behind those of the one before, or, with `words_step` 0, in their place.
// Where `kKnown` they are there already, of the same trial before: nothing waits for the neurons then, and
// nothing is counted.
template <bool kPsi, bool kKnown, class S>
inline void advance(const Network<S>& net, const Batch& batch, const int64_t* x_offset, int64_t start,
                    int64_t stop, const State<S>& state, const Events& events, S* psi, uint64_t* words,
                    int64_t words_step, int64_t* counts) {
  const int64_t n_pad = net.n_pad;
  for (int64_t t = start; t < stop; ++t) {
    const int64_t k = t - start, first = events.offset[k];
    int64_t n = events.middle[k];
    for (int64_t e = x_offset[t]; e < x_offset[t + 1]; ++e) events.index[n++] = batch.index[e];
    events.offset[k + 1] = n;
    // Two rows are always added, those of zeros where fewer spikes arrive: that costs less than branches
    // which no processor can predict.
    events.index[n] = events.index[n + 1] = int32_t(net.n_pre);
    for (int64_t e = first + 2; e < n; ++e) add_row(state.v, net.rows + events.index[e] * n_pad, n_pad);
    uint64_t* spikes = words + k * words_step;
    neurons<kPsi, !kKnown>(net, state, t, net.rows + events.index[first] * n_pad,
                           net.rows + events.index[first + 1] * n_pad, psi + (kPsi ? k * n_pad : 0), spikes);
    for (int64_t w = 0; w < net.n_words; ++w) {
      for (uint64_t word = spikes[w]; word != 0; word &= word - 1) {
        const int64_t j = w * 64 + __builtin_ctzll(word);
        events.index[n++] = int32_t(net.n_in + j);
        if constexpr (!kKnown) ++counts[j];
      }
    }
    events.middle[k + 1] = n;
  }
}

// The readout of the same steps: rows of `readout` from step `first` on.
template <class S>
inline void read_out(const Network<S>& net, int64_t start, int64_t stop, int64_t first, const Events& events,
                     S* y, S* readout) {
  for (int64_t t = start; t < stop; ++t) {
    const int64_t k = t - start;
    for (int64_t o = 0; o < net.n_out; ++o) {
      S total = net.kappa * y[o];
      for (int64_t e = events.offset[k + 1]; e < events.middle[k + 1]; ++e) {
        total += net.w_out[(events.index[e] - net.n_in) * net.n_out + o];
      }
      y[o] = total;
      if (t >= first) readout[(t - first) * net.n_out + o] = total;
    }
  }
}

}  // namespace eprop_bench
