// Rows over neurons that a loop over time reads and writes at each step: in registers where all of their
// vectors fit, as memory hands them from one step to the next with a delay; and in memory where they don't.
#pragma once

#include <type_traits>

#include "simd.h"

namespace eprop_bench {

// The vectors of a row, kWidth of them in registers, or, with kWidth 0, any number in memory.
template <int kWidth, class V>
struct Held {
  V vectors[kWidth];

  template <class T>
  explicit Held(T* row) {
#pragma GCC unroll 28
    for (int i = 0; i < kWidth; ++i) vectors[i] = reinterpret_cast<V*>(row)[i];
  }
  V& operator[](int64_t i) { return vectors[i]; }
  template <class T>
  void put_back(T* row) const {
#pragma GCC unroll 28
    for (int i = 0; i < kWidth; ++i) reinterpret_cast<V*>(row)[i] = vectors[i];
  }
};

template <class V>
struct Held<0, V> {
  V* vectors;

  template <class T>
  explicit Held(T* row) : vectors(reinterpret_cast<V*>(row)) {}
  V& operator[](int64_t i) { return vectors[i]; }
  template <class T>
  void put_back(T*) const {}
};

// f(kWidth), with the kWidth of a network of `width` vectors of neurons: 0 where they are more than kHeld.
template <int kWidth = kHeld, class F>
inline auto with_held(int64_t width, const F& f) {
  if constexpr (kWidth > 0) {
    if (width != kWidth) return with_held<kWidth - 1>(width, f);
  }
  return f(std::integral_constant<int, kWidth>{});
}

// body(i) for the vectors i of a row; `width` is their number where kWidth is 0.
template <int kWidth, class Body>
inline void for_vectors(int64_t width, const Body& body) {
  if constexpr (kWidth > 0) {
#pragma GCC unroll 28
    for (int i = 0; i < kWidth; ++i) body(i);
  } else {
    for (int64_t i = 0; i < width; ++i) body(i);
  }
}

// A bit per neuron, of the vectors of a row one after the other, into words (n_words,).
template <class S>
class Bits {
 public:
  explicit Bits(uint64_t* words) : words_(words) {}
  void add(int64_t i, Mask<S> mask) {
    constexpr int kVectors = 64 / kLanes<S>;
    word_ |= bits<S>(mask) << (i % kVectors * kLanes<S>);
    words_[i / kVectors] = word_;
    if ((i + 1) % kVectors == 0) word_ = 0;
  }

 private:
  uint64_t* words_;
  uint64_t word_ = 0;
};

}  // namespace eprop_bench
