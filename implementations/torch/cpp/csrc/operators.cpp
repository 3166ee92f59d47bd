// The operators torch.ops.eprop_bench.*: what they take from tensors, how trials are shared between threads,
// and how what they give is added up.
//
// Trials are summed up in at most kChunks chunks, whatever the number of threads: the same bits come out.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "bptt.h"
#include "per_neuron.h"
#include "online.h"

namespace eprop_bench {
namespace {

using at::Tensor;
using at::TensorList;

constexpr int64_t kChunks = 32;

// What an operator is called with, but for tensors; in this order in `settings`, see engine.py.
struct Settings {
  double alpha, rho, kappa, threshold, dampening, n_ms, rate_cost, rate_target_per_ms;

  explicit Settings(at::ArrayRef<double> values) {
    TORCH_CHECK(values.size() == 8, "settings holds ", values.size(), " numbers instead of 8");
    alpha = values[0], rho = values[1], kappa = values[2], threshold = values[3], dampening = values[4];
    n_ms = values[5], rate_cost = values[6], rate_target_per_ms = values[7];
  }
};

Batch batch_of(TensorList tensors) {
  TORCH_CHECK(tensors.size() == 4, "batch is x_offset, x_index, classes, curves");
  for (const Tensor& tensor : tensors) TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu());
  const Tensor &offset = tensors[0], &classes = tensors[2], &curves = tensors[3];
  return {offset.size(0),
          offset.size(1) - 1,
          offset.const_data_ptr<int64_t>(),
          tensors[1].const_data_ptr<int32_t>(),
          classes.numel() > 0 ? classes.const_data_ptr<int64_t>() : nullptr,
          curves.numel() > 0 ? curves.const_data_ptr() : nullptr};
}

// weights: w_in, w_rec, w_out, feedback, beta.
template <class S>
Network<S> network_of(TensorList weights, const Settings& settings, int64_t refractory_steps, int64_t window,
                      Arena& arena, bool write) {
  TORCH_CHECK(weights.size() == 5, "weights is w_in, w_rec, w_out, feedback, beta");
  for (const Tensor& tensor : weights) TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu());
  Network<S> net;
  net.n_in = weights[0].size(0);
  net.n_rec = weights[0].size(1);
  net.n_out = weights[2].size(1);
  net.n_pre = net.n_in + net.n_rec;
  net.n_pad = padded<S>(net.n_rec);
  net.n_words = (net.n_pad + 63) / 64;
  net.alpha = S(settings.alpha);
  net.rho = S(settings.rho);
  net.kappa = S(settings.kappa);
  net.height = S(settings.dampening / settings.threshold);
  net.refractory_steps = Int<S>(std::min(refractory_steps, kForever));
  net.window = window;
  net.rows = arena.take<S>((net.n_pre + 1) * net.n_pad);
  net.w_out = arena.take<S>(net.n_rec * net.n_out);
  net.beta = arena.take<S>(net.n_pad);
  net.beta_threshold = arena.take<S>(net.n_pad);

  const double* beta = weights[4].const_data_ptr<double>();
  int64_t n_regular = 0;
  while (n_regular < net.n_rec && beta[n_regular] == 0) ++n_regular;
  // whole vectors; the padding needs no adaptation either
  net.n_regular = n_regular == net.n_rec ? net.n_pad : n_regular / kLanes<S> * kLanes<S>;
  if (!write) return net;

  const double scale = 1 / settings.threshold;
  const S* w_in = weights[0].const_data_ptr<S>();
  const S* w_rec = weights[1].const_data_ptr<S>();
  const S* w_out = weights[2].const_data_ptr<S>();
  fill(net.rows, S(0), (net.n_pre + 1) * net.n_pad);
  for (int64_t i = 0; i < net.n_pre; ++i) {
    const S* row = i < net.n_in ? w_in + i * net.n_rec : w_rec + (i - net.n_in) * net.n_rec;
    for (int64_t j = 0; j < net.n_rec; ++j) net.rows[i * net.n_pad + j] = S(row[j] / settings.threshold);
    if (i >= net.n_in) net.rows[i * net.n_pad + i - net.n_in] -= S(1);
  }
  for (int64_t i = 0; i < net.n_rec * net.n_out; ++i) net.w_out[i] = S((1 - settings.kappa) * w_out[i]);
  fill(net.beta, S(0), net.n_pad);
  fill(net.beta_threshold, S(0), net.n_pad);
  for (int64_t j = 0; j < net.n_rec; ++j) {
    net.beta[j] = S(beta[j]);
    net.beta_threshold[j] = S(beta[j] * scale);
  }
  return net;
}

// What chunks of trials, or single trials, add up to.
struct Totals {
  std::vector<int64_t> counts;
  std::vector<Sums> sums;

  Totals(int64_t n, int64_t n_rec) : counts(n * n_rec), sums(n) {
    for (int64_t c = 0; c < n; ++c) sums[c] = {counts.data() + c * n_rec, 0.0, 0};
  }
};

// (n_rec,) rates in spikes per ms.
std::vector<double> rates_of(const Totals& totals, int64_t n_rec, int64_t n_trials,
                             const Settings& settings) {
  std::vector<double> rates(n_rec);
  for (const Sums& sums : totals.sums) {
    for (int64_t j = 0; j < n_rec; ++j) rates[j] += double(sums.counts[j]);
  }
  for (double& rate : rates) rate /= double(n_trials) * settings.n_ms;
  return rates;
}

// (n_rec + 3,) what trials add up to, and how many they are: spikes of each neuron, losses of the steps of the
// window, right answers, trials. Processes that share out a batch exchange it.
Tensor sums_of(const Totals& totals, int64_t n_rec, const Batch& batch) {
  Tensor sums = at::zeros({n_rec + 3}, at::kDouble);
  double* out = sums.mutable_data_ptr<double>();
  for (const Sums& part : totals.sums) {
    for (int64_t j = 0; j < n_rec; ++j) out[j] += double(part.counts[j]);
    out[n_rec] += part.loss;
    out[n_rec + 1] += double(part.corrects);
  }
  out[n_rec + 2] = double(batch.n_trials);
  return sums;
}

// (n_rec,) c_j, the derivative of the rate cost by one spike.
std::vector<double> rate_error(const std::vector<double>& rates, int64_t n_trials, const Settings& settings) {
  std::vector<double> c(rates.size());
  const double scale = 2 * settings.rate_cost / (double(n_trials) * settings.n_ms);
  for (size_t j = 0; j < rates.size(); ++j) c[j] = scale * (rates[j] - settings.rate_target_per_ms);
  return c;
}

// (4,) task loss, rate loss, accuracy, mean rate in Hz.
Tensor metrics_of(const Totals& totals, const std::vector<double>& rates, const Batch& batch, int64_t window,
                  const Settings& settings) {
  double loss = 0, rate_loss = 0, rate = 0;
  int64_t corrects = 0;
  for (const Sums& sums : totals.sums) {
    loss += sums.loss;
    corrects += sums.corrects;
  }
  for (double found : rates) {
    rate_loss += (found - settings.rate_target_per_ms) * (found - settings.rate_target_per_ms);
    rate += found;
  }
  Tensor metrics = at::empty({4}, at::kDouble);
  double* out = metrics.mutable_data_ptr<double>();
  out[0] = loss / double(batch.n_trials * window);
  out[1] = settings.rate_cost * rate_loss;
  out[2] = batch.classes != nullptr ? double(corrects) / double(batch.n_trials)
                                    : std::numeric_limits<double>::quiet_NaN();
  out[3] = 1000 * rate / double(rates.size());
  return metrics;
}

// Boundary c of `n_chunks` even chunks of trials, each a multiple of `unit` trials but the last.
int64_t bound(int64_t c, int64_t n_chunks, int64_t n_trials, int64_t unit) {
  return std::min((n_trials + unit - 1) / unit * c / n_chunks * unit, n_trials);
}

int64_t chunks_of(int64_t n_trials, int64_t unit) { return std::min((n_trials + unit - 1) / unit, kChunks); }

// F^T times (1 - kappa)/(batch * window), (n_out, n_pad).
template <class S>
void write_feedback(const Network<S>& net, const Tensor& feedback, double gain, S* out) {
  const S* f = feedback.const_data_ptr<S>();
  fill(out, S(0), net.n_out * net.n_pad);
  for (int64_t j = 0; j < net.n_rec; ++j) {
    for (int64_t o = 0; o < net.n_out; ++o) out[o * net.n_pad + j] = S(gain * f[j * net.n_out + o]);
  }
}

// Lays out all memory twice: first to know how much it is, then in `scratch`, which grows if need be.
template <class LayOut>
void with_memory(const Tensor& scratch, const LayOut& lay_out) {
  Arena measure;
  lay_out(measure, false);
  if (scratch.numel() < measure.used()) scratch.resize_({measure.used()});
  Arena arena(static_cast<char*>(scratch.mutable_data_ptr()));
  lay_out(arena, true);
}

// Chunks of gradients (n_pre, n_parts, n_pad) summed, in place of the first one, to w_in's and w_rec's: the
// first part, plus c times the second where there are two; or, without c, the second part behind the first.
template <class S>
void add_up(const Network<S>& net, S* gradient, int64_t n_chunks, int64_t n_parts, const double* c,
            int n_threads, S* g_in, S* g_rec) {
  const int64_t size_in = net.n_in * net.n_rec, size_rec = net.n_rec * net.n_rec;
  const int64_t row_size = n_parts * net.n_pad;
  constexpr int64_t kRows = 16;
  parallel((net.n_pre + kRows - 1) / kRows, n_threads, [&](int64_t block, int) {
    for (int64_t i = block * kRows; i < std::min((block + 1) * kRows, net.n_pre); ++i) {
      S* total = gradient + i * row_size;
      for (int64_t chunk = 1; chunk < n_chunks; ++chunk) {
        add_row(total, gradient + (chunk * net.n_pre + i) * row_size, row_size);
      }
      S* out = i < net.n_in ? g_in + i * net.n_rec : g_rec + (i - net.n_in) * net.n_rec;
      const bool apart = n_parts > 1 && c == nullptr;
      for (int64_t j = 0; j < net.n_rec; ++j) {
        out[j] = n_parts > 1 && !apart ? total[j] + S(c[j]) * total[net.n_pad + j] : total[j];
      }
      if (i >= net.n_in) out[i - net.n_in] = 0;
      if (!apart) continue;
      S* second = out + (i < net.n_in ? size_in : size_rec);
      for (int64_t j = 0; j < net.n_rec; ++j) second[j] = total[net.n_pad + j];
      if (i >= net.n_in) second[i - net.n_in] = 0;
    }
  });
}

template <class S>
void add_up_out(const Network<S>& net, const S* gradient, int64_t n_chunks, S* out) {
  const int64_t size = net.n_rec * net.n_out;
  fill(out, S(0), size);
  for (int64_t c = 0; c < n_chunks; ++c) {
    for (int64_t i = 0; i < size; ++i) out[i] += gradient[c * size + i];
  }
}

struct Outputs {
  Tensor w_in, w_rec, w_out;

  // `apart`: w_in and w_rec are (2, n_pre, n_rec), see add_up
  explicit Outputs(TensorList weights, bool apart = false)
      : w_in(empty_like(weights[0], apart)),
        w_rec(empty_like(weights[1], apart)),
        w_out(empty_like(weights[2], false)) {}

  static Tensor empty_like(const Tensor& weights, bool twice) {
    std::vector<int64_t> sizes = weights.sizes().vec();
    if (twice) sizes.insert(sizes.begin(), 2);
    return at::empty(sizes, weights.options());
  }
};

using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor>;

// Gradients and metrics; or, `apart`, those of the task and the sums of the traces, and what `sums_of` gives.
template <class S, class Scratch, class Trial>
Gradients eprop_with(const Batch& batch, TensorList weights, const Settings& settings,
                     int64_t refractory_steps, int64_t window, bool apart, int n_threads,
                     const Tensor& scratch, const Trial& trial) {
  const int64_t n_chunks = chunks_of(batch.n_trials, 1);
  const double gain = (1 - settings.kappa) / double(batch.n_trials * window);
  Outputs out(weights, apart);
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net = network_of<S>(weights, settings, refractory_steps, window, arena, ready);
    const int64_t size = net.n_pre * 2 * net.n_pad, size_out = net.n_rec * net.n_out;
    std::vector<Scratch> threads(n_threads);
    for (Scratch& thread : threads) {
      if constexpr (std::is_same_v<Scratch, EpropScratch<S>>) thread.lay_out(arena, net, batch);
      else thread.lay_out(arena, net);
    }
    S* feedback = arena.take<S>(net.n_out * net.n_pad);
    S* gradient = arena.take<S>(n_chunks * size);
    S* gradient_out = arena.take<S>(n_chunks * size_out);
    if (!ready) return;
    write_feedback(net, weights[3], gain, feedback);
    Totals totals(n_chunks, net.n_rec);
    parallel(n_chunks, n_threads, [&](int64_t c, int thread) {
      S* rows = gradient + c * size;
      S* rows_out = gradient_out + c * size_out;
      fill(rows, S(0), size);
      fill(rows_out, S(0), size_out);
      const int64_t stop = bound(c + 1, n_chunks, batch.n_trials, 1);
      for (int64_t b = bound(c, n_chunks, batch.n_trials, 1); b < stop; ++b) {
        trial(net, batch, b, feedback, S(gain), threads[thread], rows, rows_out, totals.sums[c]);
      }
    });
    const std::vector<double> rates = rates_of(totals, net.n_rec, batch.n_trials, settings);
    const std::vector<double> c = rate_error(rates, batch.n_trials, settings);
    add_up(net, gradient, n_chunks, 2, apart ? nullptr : c.data(), n_threads, out.w_in.mutable_data_ptr<S>(),
           out.w_rec.mutable_data_ptr<S>());
    add_up_out(net, gradient_out, n_chunks, out.w_out.mutable_data_ptr<S>());
    metrics = apart ? sums_of(totals, net.n_rec, batch)
                    : metrics_of(totals, rates, batch, window, settings);
  });
  return {out.w_in, out.w_rec, out.w_out, metrics};
}

template <class S>
Totals evaluate_all(const Network<S>& net, const Batch& batch, int n_threads,
                    std::vector<ForwardScratch<S>>& threads) {
  const int64_t n_chunks = chunks_of(batch.n_trials, 1);
  Totals totals(n_chunks, net.n_rec);
  parallel(n_chunks, n_threads, [&](int64_t c, int thread) {
    const int64_t stop = bound(c + 1, n_chunks, batch.n_trials, 1);
    for (int64_t b = bound(c, n_chunks, batch.n_trials, 1); b < stop; ++b) {
      evaluate_trial(net, batch, b, threads[thread], totals.sums[c]);
    }
  });
  return totals;
}

// `known`: (n_rec,) double, c where the rates are those of more trials than these; without metrics then.
template <class S>
Gradients bptt_with(const Batch& batch, TensorList weights, const Settings& settings,
                    int64_t refractory_steps, int64_t window, bool reset, const std::optional<Tensor>& known,
                    int n_threads, const Tensor& scratch) {
  // groups of trials share the rows of the weights, so that a chunk had better be whole groups
  const int64_t n_chunks = chunks_of(batch.n_trials, kGroup);
  const double gain = (1 - settings.kappa) / double(batch.n_trials * window);
  Outputs out(weights);
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net = network_of<S>(weights, settings, refractory_steps, window, arena, ready);
    const int64_t size = net.n_pre * net.n_pad, size_out = net.n_rec * net.n_out;
    std::vector<ForwardScratch<S>> forward(n_threads);
    for (ForwardScratch<S>& thread : forward) thread.lay_out(arena, net, window);
    std::vector<BpttScratch<S>> threads(n_threads);
    for (BpttScratch<S>& thread : threads) thread.lay_out(arena, net, batch);
    S* feedback = arena.take<S>(net.n_out * net.n_pad);
    S* transposed = arena.take<S>(net.n_rec * net.n_pad);
    S* rate = arena.take<S>(net.n_pad);
    S* gradient = arena.take<S>(n_chunks * size);
    S* gradient_out = arena.take<S>(n_chunks * size_out);
    if (!ready) return;
    fill(rate, S(0), net.n_pad);
    if (known) {
      TORCH_CHECK(known->is_cpu() && known->is_contiguous() && known->numel() == net.n_rec);
      for (int64_t j = 0; j < net.n_rec; ++j) rate[j] = S(known->const_data_ptr<double>()[j]);
    } else {
      const Totals totals = evaluate_all(net, batch, n_threads, forward);
      const std::vector<double> rates = rates_of(totals, net.n_rec, batch.n_trials, settings);
      const std::vector<double> c = rate_error(rates, batch.n_trials, settings);
      for (int64_t j = 0; j < net.n_rec; ++j) rate[j] = S(c[j]);
      metrics = metrics_of(totals, rates, batch, window, settings);
    }
    write_feedback(net, weights[3], gain, feedback);
    const S* w_rec = weights[1].const_data_ptr<S>();
    fill(transposed, S(0), net.n_rec * net.n_pad);
    for (int64_t i = 0; i < net.n_rec; ++i) {
      for (int64_t j = 0; j < net.n_rec; ++j) transposed[j * net.n_pad + i] = w_rec[i * net.n_rec + j];
      if (reset) transposed[i * net.n_pad + i] -= S(settings.threshold);
    }
    parallel(n_chunks, n_threads, [&](int64_t chunk, int thread) {
      S* rows = gradient + chunk * size;
      S* rows_out = gradient_out + chunk * size_out;
      fill(rows, S(0), size);
      fill(rows_out, S(0), size_out);
      const int64_t stop = bound(chunk + 1, n_chunks, batch.n_trials, kGroup);
      for (int64_t b = bound(chunk, n_chunks, batch.n_trials, kGroup); b < stop; b += kGroup) {
        bptt_trials(net, batch, b, std::min(b + kGroup, stop), feedback, S(gain), transposed, rate,
                    threads[thread], rows, rows_out);
      }
    });
    add_up(net, gradient, n_chunks, 1, nullptr, n_threads, out.w_in.mutable_data_ptr<S>(),
           out.w_rec.mutable_data_ptr<S>());
    add_up_out(net, gradient_out, n_chunks, out.w_out.mutable_data_ptr<S>());
    if (known) metrics = at::empty({0}, at::kDouble);
  });
  return {out.w_in, out.w_rec, out.w_out, metrics};
}

// Metrics, or what `sums_of` gives.
template <class S>
Tensor evaluate_with(const Batch& batch, TensorList weights, const Settings& settings,
                     int64_t refractory_steps, int64_t window, bool sums, int n_threads,
                     const Tensor& scratch) {
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net = network_of<S>(weights, settings, refractory_steps, window, arena, ready);
    std::vector<ForwardScratch<S>> threads(n_threads);
    for (ForwardScratch<S>& thread : threads) thread.lay_out(arena, net, window);
    if (!ready) return;
    const Totals totals = evaluate_all(net, batch, n_threads, threads);
    const std::vector<double> rates = rates_of(totals, net.n_rec, batch.n_trials, settings);
    metrics = sums ? sums_of(totals, net.n_rec, batch)
                   : metrics_of(totals, rates, batch, window, settings);
  });
  return metrics;
}

template <class S>
std::tuple<Tensor, Tensor> simulate_with(const Batch& batch, TensorList weights, const Settings& settings,
                                         int64_t refractory_steps, int64_t window, int n_threads,
                                         const Tensor& scratch) {
  const int64_t n_rec = weights[1].size(0), n_out = weights[2].size(1), n_steps = batch.n_steps;
  Tensor z = at::zeros({batch.n_trials, n_steps, n_rec}, at::kBool);
  Tensor y = at::empty({batch.n_trials, n_steps, n_out}, weights[0].options());
  bool* z_out = z.mutable_data_ptr<bool>();
  S* y_out = y.mutable_data_ptr<S>();
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net = network_of<S>(weights, settings, refractory_steps, window, arena, ready);
    std::vector<ForwardScratch<S>> threads(n_threads);
    for (ForwardScratch<S>& thread : threads) thread.lay_out(arena, net, 0);
    std::vector<int64_t> all_counts(n_threads * n_rec);  // not asked for
    if (!ready) return;
    parallel(batch.n_trials, n_threads, [&](int64_t b, int thread) {
      ForwardScratch<S>& s = threads[thread];
      int64_t* counts = all_counts.data() + thread * n_rec;
      s.state.restart(net);
      s.events.restart();
      for (int64_t start = 0; start < n_steps; start += kBlock) {
        const int64_t stop = std::min(start + kBlock, n_steps);
        advance<false>(net, batch, batch.trial(b), start, stop, s.state, s.events, s.psi, s.words, counts);
        read_out(net, start, stop, 0, s.events, s.state.y, y_out + b * n_steps * n_out);
        for (int64_t t = start; t < stop; ++t) {
          bool* row = z_out + (b * n_steps + t) * n_rec;
          for (int64_t e = s.events.offset[t - start + 1]; e < s.events.middle[t - start + 1]; ++e) {
            row[s.events.index[e] - net.n_in] = true;
          }
        }
        s.events.carry(stop - start);
      }
    });
  });
  return {z, y};
}

// Lists of the inputs that spike: x_offset (batch, time + 1) and x_index, from (batch, time, n_in) bool.
std::tuple<Tensor, Tensor> to_events(const Tensor& spikes, int64_t n_threads) {
  TORCH_CHECK(spikes.dim() == 3 && spikes.scalar_type() == at::kBool && spikes.is_contiguous());
  const int64_t n_trials = spikes.size(0), n_steps = spikes.size(1), n_in = spikes.size(2);
  const uint8_t* cells = static_cast<const uint8_t*>(spikes.const_data_ptr());
  const int64_t size = n_steps * n_in;
  std::vector<int64_t> totals(n_trials + 1);
  parallel(n_trials, int(n_threads), [&](int64_t b, int) {
    int64_t count = 0;
    for (int64_t i = 0; i < size; ++i) count += cells[b * size + i];
    totals[b + 1] = count;
  });
  for (int64_t b = 0; b < n_trials; ++b) totals[b + 1] += totals[b];
  Tensor offset = at::empty({n_trials, n_steps + 1}, at::kLong);
  Tensor index = at::empty({totals[n_trials]}, at::kInt);
  int64_t* offsets = offset.mutable_data_ptr<int64_t>();
  int32_t* indices = index.mutable_data_ptr<int32_t>();
  parallel(n_trials, int(n_threads), [&](int64_t b, int) {
    int64_t n = totals[b];
    for (int64_t t = 0; t < n_steps; ++t) {
      offsets[b * (n_steps + 1) + t] = n;
      const uint8_t* row = cells + b * size + t * n_in;
      int64_t i = 0;
      for (; i + 8 <= n_in; i += 8) {  // most words of eight are empty
        uint64_t word;
        std::memcpy(&word, row + i, 8);
        if (word == 0) continue;
        for (int64_t k = i; k < i + 8; ++k) {
          if (row[k] != 0) indices[n++] = int32_t(k);
        }
      }
      for (; i < n_in; ++i) {
        if (row[i] != 0) indices[n++] = int32_t(i);
      }
    }
    offsets[b * (n_steps + 1) + n_steps] = n;
  });
  return {offset, index};
}

template <class S>
Gradients eprop_in(bool online, const Batch& batch, TensorList weights, const Settings& settings,
                   int64_t refractory_steps, int64_t window, bool apart, int n_threads,
                   const Tensor& scratch) {
  if (online) {
    return eprop_with<S, OnlineScratch<S>>(batch, weights, settings, refractory_steps, window, apart,
                                           n_threads, scratch, [](auto&&... a) { online_trial<S>(a...); });
  }
  return eprop_with<S, EpropScratch<S>>(batch, weights, settings, refractory_steps, window, apart,
                                        n_threads, scratch, [](auto&&... a) { eprop_trial<S>(a...); });
}

bool is_float(TensorList weights) {
  for (const Tensor& tensor : weights.slice(0, 4)) {
    TORCH_CHECK(tensor.scalar_type() == weights[0].scalar_type(), "weights are of different dtypes");
  }
  return weights[0].scalar_type() == at::kFloat;
}

Gradients eprop(TensorList batch, TensorList weights, at::ArrayRef<double> settings, int64_t refractory_steps,
                int64_t window, bool online, bool apart, int64_t n_threads, const Tensor& scratch) {
  const auto run = is_float(weights) ? eprop_in<float> : eprop_in<double>;
  return run(online, batch_of(batch), weights, Settings(settings), refractory_steps, window, apart,
             int(n_threads), scratch);
}

Gradients bptt(TensorList batch, TensorList weights, at::ArrayRef<double> settings, int64_t refractory_steps,
               int64_t window, bool reset, const std::optional<Tensor>& known, int64_t n_threads,
               const Tensor& scratch) {
  const auto run = is_float(weights) ? bptt_with<float> : bptt_with<double>;
  return run(batch_of(batch), weights, Settings(settings), refractory_steps, window, reset, known,
             int(n_threads), scratch);
}

Tensor evaluate(TensorList batch, TensorList weights, at::ArrayRef<double> settings, int64_t refractory_steps,
                int64_t window, bool sums, int64_t n_threads, const Tensor& scratch) {
  const auto run = is_float(weights) ? evaluate_with<float> : evaluate_with<double>;
  return run(batch_of(batch), weights, Settings(settings), refractory_steps, window, sums, int(n_threads),
             scratch);
}

std::tuple<Tensor, Tensor> simulate(TensorList batch, TensorList weights, at::ArrayRef<double> settings,
                                    int64_t refractory_steps, int64_t window, int64_t n_threads,
                                    const Tensor& scratch) {
  const auto run = is_float(weights) ? simulate_with<float> : simulate_with<double>;
  return run(batch_of(batch), weights, Settings(settings), refractory_steps, window, int(n_threads), scratch);
}

}  // namespace
}  // namespace eprop_bench

TORCH_LIBRARY(eprop_bench, library) {
  library.def("to_events(Tensor spikes, int n_threads) -> (Tensor, Tensor)");
  library.def(
      "eprop(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "bool online, bool apart, int n_threads, Tensor(a!) scratch) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "bptt(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "bool reset, Tensor? known, int n_threads, Tensor(a!) scratch) -> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "evaluate(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "bool sums, int n_threads, Tensor(a!) scratch) -> Tensor");
  library.def(
      "simulate(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "int n_threads, Tensor(a!) scratch) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(eprop_bench, CPU, library) {
  library.impl("to_events", &eprop_bench::to_events);
  library.impl("eprop", &eprop_bench::eprop);
  library.impl("bptt", &eprop_bench::bptt);
  library.impl("evaluate", &eprop_bench::evaluate);
  library.impl("simulate", &eprop_bench::simulate);
}
