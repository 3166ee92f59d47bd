// The forward pass of one trial, event-driven: a step adds one row of weights for each spike that arrives,
// of which there are one or two, instead of multiplying matrices.
//
//   here                     README.md    unit or scaling
//   State::v                 v[t]         over theta
//   State::a                 a[t]         as there; after step t it is a[t+1]
//   v - level                u[t]         as there
//   Network::beta_threshold  beta         over theta (WayBack::beta: as there)
//   Network::rows            W_in, W_rec  [W_in; W_rec - theta I] over theta: the reset is a weight
//   State::wake              refractory   the first step at which it may spike again: n_ref after a spike
//   Network::height          dampening    over theta
//   State::words             z[t]         a bit per neuron
//   State::zbar              zbar[t]      over 1 - kappa, at the last step before the window
//   Network::w_out           W_out        times (1-kappa): z[t] W_out is filtered instead of z[t]
#pragma once

#include <algorithm>

#include "held.h"
#include "workspace.h"

namespace eprop_bench {

constexpr int64_t kForever = int64_t(1) << 30;  // steps; 32 bits hold the step at which a neuron wakes up
constexpr int64_t kBlock = 256;  // steps between carries where nothing may grow with the length of a trial

// Inputs as lists: those of trial b that spike at step t are index[offset[b][t] .. offset[b][t+1]).
struct Batch {
  int64_t n_trials, n_steps;
  const int64_t* offset;  // (n_trials, n_steps + 1)
  const int32_t* index;
  const int64_t* classes;  // (n_trials,) targets of cross-entropy, or null
  const void* curves;      // (n_trials, window, n_out) targets of squared error in the dtype, or null
  const void* shares;      // (n_trials, window) by how much each step counts in the dtype, or null: all alike

  const int64_t* trial(int64_t b) const { return offset + b * (n_steps + 1); }

  // Spikes of all inputs in trial b, and in the trial of which there are most.
  int64_t inputs(int64_t b) const { return trial(b)[n_steps] - trial(b)[0]; }
  int64_t most_inputs() const {
    int64_t most = 0;
    for (int64_t b = 0; b < n_trials; ++b) most = std::max(most, inputs(b));
    return most;
  }
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
  S* decays;  // (n_steps,) what is left of zbar[t] when the window begins, 0 from there on
  S* beta_threshold;  // (n_pad,) in units of the threshold, 0 for regular neurons
  WayBack<S> back;
};

// What arrives, as lists of rows of `Network::rows`, of steps start + k: index[offset[k] .. offset[k+1]).
// First come the neurons that spiked one step before, up to middle[k]: so the spikes of step start + k
// are index[offset[k+1] .. middle[k+1]), less n_in.
struct Events {
  int32_t* offset;  // (steps + 1,)
  int32_t* middle;  // (steps + 1,)
  int32_t* index;

  // For n_steps steps in which n inputs spike.
  template <class S>
  void lay_out(Arena& arena, const Network<S>& net, int64_t n_steps, int64_t n) {
    // a neuron that has spiked is silent for refractory_steps - 1 steps
    const int64_t apart = net.refractory_steps > 1 ? int64_t(net.refractory_steps) : 1;
    offset = arena.take<int32_t>(n_steps + 1);
    middle = arena.take<int32_t>(n_steps + 1);
    index = arena.take<int32_t>(n + net.n_rec * (1 + (n_steps + apart - 1) / apart) + 2);
  }

  void restart() const { offset[0] = middle[0] = 0; }

  // The spikes of the last of n steps become those before the next step.
  void carry(int64_t n) const {
    const int32_t count = middle[n] - offset[n];
    std::memmove(index, index + offset[n], count * sizeof(int32_t));
    offset[0] = 0;
    middle[0] = count;
  }
};

template <class S>
struct State {
  S* v;             // (n_pad,) v[t-1] before step t
  S* a;             // (n_pad,) a[t] before step t
  Int<S>* wake;     // (n_pad,) the first step at which a neuron is not silent any more
  S* zbar;          // (n_rec,)
  S* y;             // (n_out,)
  S* arriving;      // (n_pad,) scratch, as is what follows
  uint64_t* words;  // (n_words,)

  void lay_out(Arena& arena, const Network<S>& net) {
    v = arena.take<S>(net.n_pad);
    a = arena.take<S>(net.n_pad);
    wake = arena.take<Int<S>>(net.n_pad);
    zbar = arena.take<S>(net.n_rec);
    y = arena.take<S>(net.n_out);
    arriving = arena.take<S>(net.n_pad);
    words = arena.take<uint64_t>(net.n_words);
  }

  void restart(const Network<S>& net) const {
    fill(v, S(0), net.n_pad);
    fill(a, S(0), net.n_pad);
    fill(wake, Int<S>(0), net.n_pad);
    fill(zbar, S(0), net.n_rec);
    fill(y, S(0), net.n_out);
  }
};

// The sum of rows index[first .. n) but for the first one, of three or more.
template <class S>
inline const S* sum_of_others(const Network<S>& net, const int32_t* index, int64_t first, int64_t n,
                              S* __restrict sum) {
  const S* row1 = net.rows + index[first + 1] * net.n_pad;
  const S* row2 = net.rows + index[first + 2] * net.n_pad;
  for (int64_t j = 0; j < net.n_pad; j += kLanes<S>) at(sum + j) = at(row1 + j) + at(row2 + j);
  for (int64_t e = first + 3; e < n; ++e) add_row(sum, net.rows + index[e] * net.n_pad, net.n_pad);
  return sum;
}

// See `advance`; the state of kWidth vectors of neurons in registers.
template <int kWidth, bool kPsi, bool kKnown, class S>
[[gnu::noinline]] void advance_held(const Network<S>& net, const Batch& batch, const int64_t* x_offset,
                                    int64_t start, int64_t stop, const State<S>& state, const Events& events,
                                    S* __restrict psi, int64_t* counts) {
  const int64_t width = net.n_pad / kLanes<S>;
  const Vec<S> one = splat(S(1)), none{};
  Held<kWidth, Vec<S>> v(state.v), a(state.a);
  Held<kWidth, Mask<S>> wake(state.wake);
  for (int64_t t = start; t < stop; ++t) {
    const int64_t k = t - start, first = events.offset[k];
    int64_t n = events.middle[k];
    if constexpr (kKnown) {
      n = events.offset[k + 1];
    } else {
      for (int64_t e = x_offset[t]; e < x_offset[t + 1]; ++e) events.index[n++] = batch.index[e];
      events.offset[k + 1] = int32_t(n);
    }
    // Two rows are always added, those of zeros where fewer spikes arrive: that costs less than branches
    // which no processor can predict.
    const int64_t found0 = events.index[first], found1 = events.index[first + 1];
    const S* row0 = net.rows + (first < n ? found0 : net.n_pre) * net.n_pad;
    const S* row1 = net.rows + (first + 1 < n ? found1 : net.n_pre) * net.n_pad;
    if (first + 2 < n) row1 = sum_of_others(net, events.index, first, n, state.arriving);
    const Int<S> now = Int<S>(t), wake_up = Int<S>(t) + net.refractory_steps;
    Bits<S> spikes(state.words);
    for_vectors<kWidth>(width, [&](int64_t i) {
      const int64_t j = i * kLanes<S>;
      v[i] = net.alpha * v[i] + (at(row0 + j) + at(row1 + j));
      const Mask<S> awake = wake[i] <= now;
      Vec<S> level = one;
      if (j >= net.n_regular) level += at(net.beta_threshold + j) * a[i];
      const Mask<S> z = (v[i] > level) & awake;
      if constexpr (kPsi) {
        const Vec<S> slope = net.height - net.height * abs<S>(v[i] - level);
        const Vec<S> within = slope > none ? slope : none;
        at(psi + k * net.n_pad + j) = awake ? within : none;
      }
      if (j >= net.n_regular) a[i] = net.rho * a[i] + (z ? one : none);
      wake[i] = z ? Mask<S>{} + wake_up : wake[i];
      if constexpr (!kKnown) spikes.add(i, z);
    });
    if constexpr (!kKnown) {
      const S decay = net.decays[t];
      const int64_t n_words = kWidth > 0 ? (kWidth * kLanes<S> + 63) / 64 : net.n_words;
      for (int64_t w = 0; w < n_words; ++w) {
        for (uint64_t word = state.words[w]; word != 0; word &= word - 1) {
          const int64_t j = w * 64 + __builtin_ctzll(word);
          events.index[n++] = int32_t(net.n_in + j);
          state.zbar[j] += decay;
          ++counts[j];
        }
      }
      events.middle[k + 1] = int32_t(n);
    }
  }
  v.put_back(state.v);
  a.put_back(state.a);
  wake.put_back(state.wake);
}

// Steps `start` to `stop` - 1 of a trial, whose input lists are offset (n_steps + 1,) into `batch.index`.
// psi (steps, n_pad) is written unless `kPsi` is false; counts (n_rec,) of spikes are added to. Where `kKnown`
// the events are there already, of the same trial before: nothing waits for the neurons then, and only psi and
// their state are written.
template <bool kPsi, bool kKnown, class S>
inline void advance(const Network<S>& net, const Batch& batch, const int64_t* x_offset, int64_t start,
                    int64_t stop, const State<S>& state, const Events& events, S* psi, int64_t* counts) {
  with_held(net.n_pad / kLanes<S>, [&](auto kWidth) {
    advance_held<kWidth.value, kPsi, kKnown>(net, batch, x_offset, start, stop, state, events, psi, counts);
  });
}

// y as it is before the window, of which state.zbar is known.
template <class S>
inline void begin_readout(const Network<S>& net, const State<S>& state) {
  for (int64_t o = 0; o < net.n_out; ++o) {
    S total = 0;
    for (int64_t j = 0; j < net.n_rec; ++j) total += net.w_out[j * net.n_out + o] * state.zbar[j];
    state.y[o] = total;
  }
}

// The readout (to - from, n_out) of steps `from` to `to` - 1 of the events; y is that of the step before.
template <class S>
inline void read_out(const Network<S>& net, const Events& events, int64_t from, int64_t to, S* y,
                     S* readout) {
  for (int64_t k = from; k < to; ++k) {
    for (int64_t o = 0; o < net.n_out; ++o) {
      S total = net.kappa * y[o];
      for (int64_t e = events.offset[k + 1]; e < events.middle[k + 1]; ++e) {
        total += net.w_out[(events.index[e] - net.n_in) * net.n_out + o];
      }
      y[o] = readout[(k - from) * net.n_out + o] = total;
    }
  }
}

}  // namespace eprop_bench
