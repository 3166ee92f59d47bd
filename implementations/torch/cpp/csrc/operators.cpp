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
#include <type_traits>
#include <vector>

#include "per_neuron.h"
#include "online.h"
#include "recurrent.h"

namespace eprop_bench {
namespace {

using at::Tensor;
using at::TensorList;

constexpr int64_t kChunks = 32;

// What an operator is called with, but for tensors; in this order in `values`, see engine.py.
struct Settings {
  double alpha, rho, kappa, threshold, dampening, n_ms, rate_cost, rate_target_per_ms;
  double back_alpha, back_kappa, back_theta;
  bool target;

  explicit Settings(at::ArrayRef<double> values, bool sends_target = false) {
    TORCH_CHECK(values.size() == 11, "settings holds ", values.size(), " numbers instead of 11");
    alpha = values[0], rho = values[1], kappa = values[2], threshold = values[3], dampening = values[4];
    n_ms = values[5], rate_cost = values[6], rate_target_per_ms = values[7];
    back_alpha = values[8], back_kappa = values[9], back_theta = values[10];
    target = sends_target;
  }
};

Batch batch_of(TensorList tensors) {
  TORCH_CHECK(tensors.size() == 5, "batch is x_offset, x_index, classes, curves, shares");
  for (const Tensor& tensor : tensors) TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu());
  const Tensor &offset = tensors[0], &classes = tensors[2], &curves = tensors[3], &shares = tensors[4];
  return {offset.size(0),
          offset.size(1) - 1,
          offset.const_data_ptr<int64_t>(),
          tensors[1].const_data_ptr<int32_t>(),
          classes.numel() > 0 ? classes.const_data_ptr<int64_t>() : nullptr,
          curves.numel() > 0 ? curves.const_data_ptr() : nullptr,
          shares.numel() > 0 ? shares.const_data_ptr() : nullptr};
}

// Neurons in the vectors before the first with a beta other than 0.
template <class S>
int64_t regular(const double* beta, int64_t n_rec) {
  int64_t n = 0;
  while (n < n_rec && beta[n] == 0) ++n;
  // whole vectors; the padding needs no adaptation either
  return n == n_rec ? padded<S>(n_rec) : n / kLanes<S> * kLanes<S>;
}

// weights: w_in, w_rec, w_out, feedback, beta of the network, beta of the way back.
template <class S>
Network<S> network_of(TensorList weights, const Settings& settings, int64_t refractory_steps, int64_t window,
                      int64_t n_steps, Arena& arena, bool write) {
  TORCH_CHECK(weights.size() == 6, "weights is w_in, w_rec, w_out, feedback, beta, beta of the way back");
  for (const Tensor& tensor : weights) TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu());
  Network<S> net;
  net.n_in = weights[0].size(0);
  net.n_rec = weights[0].size(1);
  net.n_out = weights[2].size(1);
  net.n_pre = net.n_in + net.n_rec;
  TORCH_CHECK((n_steps + 1) * net.n_pre <= std::numeric_limits<int32_t>::max(),
              "lists of a trial's spikes are counted in 32 bits, and ", n_steps, " steps may have more");
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
  net.decays = arena.take<S>(n_steps);
  net.beta_threshold = arena.take<S>(net.n_pad);
  const double* beta = weights[4].const_data_ptr<double>();
  const double* back_beta = weights[5].const_data_ptr<double>();
  net.n_regular = regular<S>(beta, net.n_rec);
  net.back.alpha = S(settings.back_alpha);
  net.back.kappa = S(settings.back_kappa);
  net.back.theta = S(settings.back_theta);
  net.back.beta = arena.take<S>(net.n_pad);
  net.back.n_regular = regular<S>(back_beta, net.n_rec);
  net.back.target = settings.target;
  if (!write) return net;

  double left = 1;
  for (int64_t t = n_steps - 1; t >= 0; --t) {
    net.decays[t] = t >= n_steps - window ? S(0) : S(left);
    if (t < n_steps - window) left *= settings.kappa;
  }
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
  fill(net.back.beta, S(0), net.n_pad);
  fill(net.beta_threshold, S(0), net.n_pad);
  for (int64_t j = 0; j < net.n_rec; ++j) {
    net.back.beta[j] = S(back_beta[j]);
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

int64_t chunks_of(int64_t n_trials) { return std::min(n_trials, kChunks); }

// work(c, b, thread) for all trials b of all chunks c, those of a chunk one after the other; begin(c) before.
template <class Begin, class Work>
void for_trials(int64_t n_trials, int n_threads, const Begin& begin, const Work& work) {
  const int64_t n_chunks = chunks_of(n_trials);
  parallel(n_chunks, n_threads, [&](int64_t c, int thread) {
    begin(c);
    const int64_t stop = n_trials * (c + 1) / n_chunks;
    for (int64_t b = n_trials * c / n_chunks; b < stop; ++b) work(c, b, thread);
  });
}

// F^T times (1 - kappa)/(batch * window), (n_out, n_pad).
template <class S>
void write_feedback(const Network<S>& net, const Tensor& feedback, double gain, S* out) {
  const S* f = feedback.const_data_ptr<S>();
  fill(out, S(0), net.n_out * net.n_pad);
  for (int64_t j = 0; j < net.n_rec; ++j) {
    for (int64_t o = 0; o < net.n_out; ++o) out[o * net.n_pad + j] = S(gain * f[j * net.n_out + o]);
  }
}

// Lays out all memory twice: first to know how much it is, then in `scratch`, in whose place a larger one is put
// if need be. Lists are as long as they may get: what of them is never written takes no memory.
template <class LayOut>
void with_memory(const Tensor& scratch, const LayOut& lay_out) {
  Arena measure;
  lay_out(measure, false);
  if (scratch.numel() < measure.used()) {
    scratch.set_(at::empty({0}, scratch.options()));  // gives the old one back first
    scratch.set_(at::empty({measure.used()}, scratch.options()));
  }
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
  const int64_t n_chunks = chunks_of(batch.n_trials);
  const double gain = (1 - settings.kappa) / double(batch.n_trials * window);
  Outputs out(weights, apart);
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net =
        network_of<S>(weights, settings, refractory_steps, window, batch.n_steps, arena, ready);
    const int64_t size = net.n_pre * 2 * net.n_pad, size_out = net.n_rec * net.n_out;
    std::vector<Scratch> threads(n_threads);
    for (Scratch& thread : threads) thread.lay_out(arena, net, batch);
    S* feedback = arena.take<S>(net.n_out * net.n_pad);
    S* gradient = arena.take<S>(n_chunks * size);
    S* gradient_out = arena.take<S>(n_chunks * size_out);
    if (!ready) return;
    write_feedback(net, weights[3], gain, feedback);
    Totals totals(n_chunks, net.n_rec);
    for_trials(
        batch.n_trials, n_threads,
        [&](int64_t c) {
          fill(gradient + c * size, S(0), size);
          fill(gradient_out + c * size_out, S(0), size_out);
        },
        [&](int64_t c, int64_t b, int thread) {
          trial(net, batch, b, feedback, S(gain), threads[thread], gradient + c * size,
                gradient_out + c * size_out, totals.sums[c]);
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

// Gradients through `hops` recurrent connections, or all where a trial has no more steps.
// `known`: (n_rec,) double, c where the rates are those of more trials than these; without metrics then.
template <class S>
Gradients recurrent_with(const Batch& batch, TensorList weights, const Settings& settings,
                         int64_t refractory_steps, int64_t window, int64_t hops,
                         const std::optional<Tensor>& known, int n_threads, const Tensor& scratch) {
  // a connection takes a step; 0 is told for all of them
  const int64_t counted = hops < batch.n_steps ? hops : 0;
  const int64_t n_chunks = chunks_of(batch.n_trials);
  const double gain = (1 - settings.kappa) / double(batch.n_trials * window);
  Outputs out(weights);
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net =
        network_of<S>(weights, settings, refractory_steps, window, batch.n_steps, arena, ready);
    const int64_t size = net.n_pre * net.n_pad, size_out = net.n_rec * net.n_out;
    // of all trials where the rates are found here, else of one trial of each thread
    std::vector<Record<S>> records(known ? n_threads : batch.n_trials);
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].lay_out(arena, net, batch, known ? batch.most_inputs() : batch.inputs(i));
    }
    std::vector<RecurrentScratch<S>> threads(n_threads);
    for (RecurrentScratch<S>& thread : threads) thread.lay_out(arena, net, batch, counted);
    S* feedback = arena.take<S>(net.n_out * net.n_pad);
    S* transposed = arena.take<S>(net.n_rec * net.n_pad);
    S* rate = arena.take<S>(net.n_pad);
    S* gradient = arena.take<S>(n_chunks * size);
    S* gradient_out = arena.take<S>(n_chunks * size_out);
    if (!ready) return;
    fill(gradient_out, S(0), n_chunks * size_out);
    fill(rate, S(0), net.n_pad);
    Totals totals(n_chunks, net.n_rec);
    const auto forward = [&](int64_t c, int64_t b, int thread, auto with_psi) {
      forward_trial<with_psi.value>(net, batch, b, S(gain), threads[thread].trial,
                                    records[known ? thread : b], gradient_out + c * size_out, totals.sums[c]);
    };
    if (known) {
      TORCH_CHECK(known->is_cpu() && known->is_contiguous() && known->numel() == net.n_rec);
      for (int64_t j = 0; j < net.n_rec; ++j) rate[j] = S(known->const_data_ptr<double>()[j]);
      metrics = at::empty({0}, at::kDouble);
    } else {
      for_trials(
          batch.n_trials, n_threads, [](int64_t) {},
          [&](int64_t c, int64_t b, int thread) { forward(c, b, thread, std::false_type{}); });
      const std::vector<double> rates = rates_of(totals, net.n_rec, batch.n_trials, settings);
      const std::vector<double> c = rate_error(rates, batch.n_trials, settings);
      for (int64_t j = 0; j < net.n_rec; ++j) rate[j] = S(c[j]);
      metrics = metrics_of(totals, rates, batch, window, settings);
    }
    write_feedback(net, weights[3], gain, feedback);
    transpose(net, weights[1].const_data_ptr<S>(), counted == 0 ? net.back.theta : S(0), transposed);
    for_trials(
        batch.n_trials, n_threads, [&](int64_t c) { fill(gradient + c * size, S(0), size); },
        [&](int64_t c, int64_t b, int thread) {
          const Record<S>& record = records[known ? thread : b];
          if (known) forward(c, b, thread, std::true_type{});
          else find_psi(net, batch, b, threads[thread].trial, record);
          backward_trial(net, batch, record, counted, feedback, transposed, rate, threads[thread],
                         gradient + c * size);
        });
    add_up(net, gradient, n_chunks, 1, nullptr, n_threads, out.w_in.mutable_data_ptr<S>(),
           out.w_rec.mutable_data_ptr<S>());
    add_up_out(net, gradient_out, n_chunks, out.w_out.mutable_data_ptr<S>());
  });
  return {out.w_in, out.w_rec, out.w_out, metrics};
}

// The gradient of W_out alone, and metrics or, `sums`, what `sums_of` gives.
template <class S>
std::tuple<Tensor, Tensor> readout_with(const Batch& batch, TensorList weights, const Settings& settings,
                                        int64_t refractory_steps, int64_t window, bool sums, int n_threads,
                                        const Tensor& scratch) {
  const int64_t n_chunks = chunks_of(batch.n_trials);
  const double gain = (1 - settings.kappa) / double(batch.n_trials * window);
  Tensor out = at::empty(weights[2].sizes(), weights[2].options()), metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net =
        network_of<S>(weights, settings, refractory_steps, window, batch.n_steps, arena, ready);
    const int64_t size_out = net.n_rec * net.n_out;
    std::vector<TrialScratch<S>> threads(n_threads);
    std::vector<Record<S>> records(n_threads);
    for (TrialScratch<S>& thread : threads) thread.lay_out(arena, net, batch, false);
    for (Record<S>& record : records) record.lay_out(arena, net, batch, batch.most_inputs());
    S* gradient_out = arena.take<S>(n_chunks * size_out);
    if (!ready) return;
    Totals totals(n_chunks, net.n_rec);
    for_trials(
        batch.n_trials, n_threads, [&](int64_t c) { fill(gradient_out + c * size_out, S(0), size_out); },
        [&](int64_t c, int64_t b, int thread) {
          forward_trial<false>(net, batch, b, S(gain), threads[thread], records[thread],
                               gradient_out + c * size_out, totals.sums[c]);
        });
    add_up_out(net, gradient_out, n_chunks, out.mutable_data_ptr<S>());
    const std::vector<double> rates = rates_of(totals, net.n_rec, batch.n_trials, settings);
    metrics = sums ? sums_of(totals, net.n_rec, batch)
                   : metrics_of(totals, rates, batch, window, settings);
  });
  return {out, metrics};
}

// Metrics, or what `sums_of` gives.
template <class S>
Tensor evaluate_with(const Batch& batch, TensorList weights, const Settings& settings,
                     int64_t refractory_steps, int64_t window, bool sums, int n_threads,
                     const Tensor& scratch) {
  Tensor metrics;
  with_memory(scratch, [&](Arena& arena, bool ready) {
    const Network<S> net =
        network_of<S>(weights, settings, refractory_steps, window, batch.n_steps, arena, ready);
    std::vector<ForwardScratch<S>> threads(n_threads);
    for (ForwardScratch<S>& thread : threads) thread.lay_out(arena, net);
    if (!ready) return;
    Totals totals(chunks_of(batch.n_trials), net.n_rec);
    for_trials(
        batch.n_trials, n_threads, [](int64_t) {},
        [&](int64_t c, int64_t b, int thread) {
          evaluate_trial(net, batch, b, threads[thread], totals.sums[c]);
        });
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
    const Network<S> net =
        network_of<S>(weights, settings, refractory_steps, window, batch.n_steps, arena, ready);
    std::vector<ForwardScratch<S>> threads(n_threads);
    for (ForwardScratch<S>& thread : threads) thread.lay_out(arena, net);
    std::vector<int64_t> all_counts(n_threads * n_rec);  // not asked for
    if (!ready) return;
    parallel(batch.n_trials, n_threads, [&](int64_t b, int thread) {
      ForwardScratch<S>& s = threads[thread];
      int64_t* counts = all_counts.data() + thread * n_rec;
      s.state.restart(net);
      s.events.restart();
      for (int64_t start = 0; start < n_steps; start += kBlock) {
        const int64_t stop = std::min(start + kBlock, n_steps);
        advance<false, false, S>(net, batch, batch.trial(b), start, stop, s.state, s.events, nullptr, counts);
        read_out(net, s.events, 0, stop - start, s.state.y, y_out + (b * n_steps + start) * n_out);
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

template <class S, bool kReset>
Gradients eprop_through(bool online, const Batch& batch, TensorList weights, const Settings& settings,
                        int64_t refractory_steps, int64_t window, bool apart, int n_threads,
                        const Tensor& scratch) {
  if (online) {
    return eprop_with<S, OnlineScratch<kReset, S>>(
        batch, weights, settings, refractory_steps, window, apart, n_threads, scratch,
        [](auto&&... a) { online_trial<kReset, S>(a...); });
  }
  return eprop_with<S, EpropScratch<S>>(batch, weights, settings, refractory_steps, window, apart, n_threads,
                                        scratch, [](auto&&... a) { eprop_trial<kReset, S>(a...); });
}

template <class S>
Gradients eprop_in(bool online, const Batch& batch, TensorList weights, const Settings& settings,
                   int64_t refractory_steps, int64_t window, bool apart, int n_threads,
                   const Tensor& scratch) {
  const auto run = settings.back_theta != 0 ? eprop_through<S, true> : eprop_through<S, false>;
  return run(online, batch, weights, settings, refractory_steps, window, apart, n_threads, scratch);
}

bool is_float(TensorList weights) {
  for (const Tensor& tensor : weights.slice(0, 4)) {
    TORCH_CHECK(tensor.scalar_type() == weights[0].scalar_type(), "weights are of different dtypes");
  }
  return weights[0].scalar_type() == at::kFloat;
}

Gradients eprop(TensorList batch, TensorList weights, at::ArrayRef<double> settings, int64_t refractory_steps,
                int64_t window, bool target, bool online, bool apart, int64_t n_threads,
                const Tensor& scratch) {
  const auto run = is_float(weights) ? eprop_in<float> : eprop_in<double>;
  return run(online, batch_of(batch), weights, Settings(settings, target), refractory_steps, window, apart,
             int(n_threads), scratch);
}

Gradients recurrent(TensorList batch, TensorList weights, at::ArrayRef<double> settings,
                    int64_t refractory_steps, int64_t window, bool target, int64_t hops,
                    const std::optional<Tensor>& known, int64_t n_threads, const Tensor& scratch) {
  const auto run = is_float(weights) ? recurrent_with<float> : recurrent_with<double>;
  return run(batch_of(batch), weights, Settings(settings, target), refractory_steps, window, hops, known,
             int(n_threads), scratch);
}

std::tuple<Tensor, Tensor> readout(TensorList batch, TensorList weights, at::ArrayRef<double> settings,
                                   int64_t refractory_steps, int64_t window, bool sums, int64_t n_threads,
                                   const Tensor& scratch) {
  const auto run = is_float(weights) ? readout_with<float> : readout_with<double>;
  return run(batch_of(batch), weights, Settings(settings), refractory_steps, window, sums, int(n_threads),
             scratch);
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
      "bool target, bool online, bool apart, int n_threads, Tensor(a!) scratch) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "recurrent(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "bool target, int hops, Tensor? known, int n_threads, Tensor(a!) scratch) "
      "-> (Tensor, Tensor, Tensor, Tensor)");
  library.def(
      "readout(Tensor[] batch, Tensor[] weights, float[] settings, int refractory_steps, int window, "
      "bool sums, int n_threads, Tensor(a!) scratch) -> (Tensor, Tensor)");
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
  library.impl("recurrent", &eprop_bench::recurrent);
  library.impl("readout", &eprop_bench::readout);
  library.impl("evaluate", &eprop_bench::evaluate);
  library.impl("simulate", &eprop_bench::simulate);
}
