// Vectors of one register, in the language extension that GCC and Clang share; and rows of them.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace eprop_bench {

// Vectors that registers have room for: kSumVectors of sums beside what is added to them, see active.h; and
// kHeld of neurons, with three rows of state each, see held.h.
#if defined(__AVX512F__) && defined(__AVX512DQ__)
constexpr int kVectorBytes = 64, kSumVectors = 28, kHeld = 8;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kSumVectors = 12, kHeld = 4;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16, kSumVectors = 28, kHeld = 8;
#else
constexpr int kVectorBytes = 16, kSumVectors = 12, kHeld = 4;
#endif

template <class S>
struct Lanes;

template <>
struct Lanes<float> {
  typedef float Vec __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Mask __attribute__((vector_size(kVectorBytes)));
  using Int = int32_t;
  static constexpr Int kMagnitude = 0x7fffffff;
};

template <>
struct Lanes<double> {
  typedef double Vec __attribute__((vector_size(kVectorBytes)));
  typedef int64_t Mask __attribute__((vector_size(kVectorBytes)));
  using Int = int64_t;
  static constexpr Int kMagnitude = 0x7fffffffffffffff;
};

template <class S>
using Vec = typename Lanes<S>::Vec;
template <class S>
using Mask = typename Lanes<S>::Mask;
template <class S>
using Int = typename Lanes<S>::Int;
template <class S>
constexpr int kLanes = kVectorBytes / sizeof(S);

// Arrays over neurons are padded to whole vectors with neurons that never spike.
template <class S>
int64_t padded(int64_t n) {
  return (n + kLanes<S> - 1) / kLanes<S> * kLanes<S>;
}

// Memory of rows is aligned to kVectorBytes, so that no access straddles two cache lines.
template <class S>
inline Vec<S>& at(S* row) {
  return *reinterpret_cast<Vec<S>*>(row);
}

template <class S>
inline Vec<S> at(const S* row) {
  return *reinterpret_cast<const Vec<S>*>(row);
}

template <class S>
inline Mask<S>& lanes_at(Int<S>* row) {
  return *reinterpret_cast<Mask<S>*>(row);
}

template <class S>
inline Vec<S> splat(S value) {
  return value - Vec<S>{};
}

template <class S>
inline Vec<S> abs(Vec<S> x) {
  return (Vec<S>)((Mask<S>)x & Lanes<S>::kMagnitude);
}

// One bit per lane.
template <class S>
inline uint64_t bits(Mask<S> mask) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  if constexpr (sizeof(S) == 4) return _mm512_movepi32_mask((__m512i)mask);
  else return _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__)
  if constexpr (sizeof(S) == 4) return _mm256_movemask_ps((__m256)mask);
  else return _mm256_movemask_pd((__m256d)mask);
#elif defined(__x86_64__)
  if constexpr (sizeof(S) == 4) return _mm_movemask_ps((__m128)mask);
  else return _mm_movemask_pd((__m128d)mask);
#else
  uint64_t found = 0;
  for (int i = 0; i < kLanes<S>; ++i) found |= uint64_t(mask[i] != 0) << i;
  return found;
#endif
}

// total += row; n a multiple of the lanes.
template <class S>
inline void add_row(S* __restrict total, const S* __restrict row, int64_t n) {
  for (int64_t j = 0; j < n; j += kLanes<S>) at(total + j) += at(row + j);
}

template <class S>
inline void fill(S* row, S value, int64_t n) {
  for (int64_t j = 0; j < n; ++j) row[j] = value;
}

// Denormal numbers, which signals decay to, are slow: 0 in this thread while one of these lives.
class FlushDenormals {
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
#if defined(__x86_64__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // FTZ, DAZ
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | (uint64_t(1) << 24)));  // FZ
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

 private:
  uint64_t before_;
#else
  FlushDenormals() {}
#endif
};

}  // namespace eprop_bench
