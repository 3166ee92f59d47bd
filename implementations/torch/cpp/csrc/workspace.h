// Scratch memory, laid out before threads start, so that none of them allocates; and the parallel loop.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "simd.h"

namespace eprop_bench {

// Hands out pieces of one block of memory, each on cache lines of its own. Without memory it only counts.
class Arena {
 public:
  explicit Arena(char* memory = nullptr) : memory_(memory) {}

  template <class T>
  T* take(int64_t n) {
    char* piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += (n * int64_t(sizeof(T)) + kLine - 1) / kLine * kLine;
    return reinterpret_cast<T*>(piece);
  }

  int64_t used() const { return used_; }

 private:
  static constexpr int64_t kLine = 128;  // two, as they are fetched in pairs
  char* memory_;
  int64_t used_ = 0;
};

// work(item, thread) for all items, denormals off. Which thread does which item is open: results must not
// depend on it. It takes no more than n_threads of the pool that torch uses too, and changes no setting.
template <class Work>
void parallel(int64_t n_items, int n_threads, const Work& work) {
#pragma omp parallel num_threads(n_threads)
  {
    const FlushDenormals flush;
#ifdef _OPENMP
    const int thread = omp_get_thread_num();
#else
    const int thread = 0;
#endif
#pragma omp for schedule(dynamic, 1) nowait
    for (int64_t item = 0; item < n_items; ++item) work(item, thread);
  }
}

}  // namespace eprop_bench
