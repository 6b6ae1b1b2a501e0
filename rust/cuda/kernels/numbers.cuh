// Numbers of pages and of what engines bring: conversions by integer arithmetic, the same on a host.
#pragma once
#ifdef INFERAIL_SHIM
#include "shim.h"
#else
#include "intrinsics.cuh"
#endif
#include "params.h"

enum Format { FORMAT_F32 = 0, FORMAT_BF16 = 1, FORMAT_F16 = 2, FORMAT_INT8 = 3, FORMAT_FP8 = 4 };

// Bytes of a number of a page.
__device__ constexpr int bytes_of(int format) { return format == FORMAT_F32 ? 4 : format <= FORMAT_F16 ? 2 : 1; }

// Whether a page carries scales.
__device__ constexpr bool is_scaled(int format) { return format >= FORMAT_INT8; }

__device__ __forceinline__ float from_bf16(u32 bits) { return __uint_as_float(bits << 16); }

// E4M3 of a float: to the nearest, ties to even; what is larger than 448 becomes 448, NaN stays NaN.
__device__ __forceinline__ u32 to_fp8(float x) {
    u32 bits = __float_as_uint(x), sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7fu;
    if (magnitude >= 0x43e00000u) return sign | 0x7eu;
    // Below 2^-6 the steps are 2^-9, which is the last bit of a float of 2^14.
    if (magnitude < 0x3c800000u) return sign | (__float_as_uint(__uint_as_float(magnitude) + 16384.0f) - 0x46800000u);
    u32 rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
    return sign | ((rounded >> 20) - (120u << 3));
}

// Two bytes, in the upper bytes of the halves of `word`, as f16. 2^8 is what the two exponents' biases differ by; the
// smallest E4M3, 2^-9, becomes a subnormal f16 on the way, exactly.
__device__ __forceinline__ u32 fp8_to_f16x2(u32 word) {
    return multiply_f16x2((word & 0x80008000u) | ((word & 0x7f007f00u) >> 1), 0x5c005c00u);
}

// Two bytes 128 too large, in the lower bytes of the halves, as f16: 1024 + x - 1152.
__device__ __forceinline__ u32 int8_to_f16x2(u32 word) { return subtract_f16x2(word | 0x64006400u, 0x64806480u); }

// Number `index` of an engine's array.
__device__ __forceinline__ float load_number(const void* base, long long index, int number) {
    if (number == NUMBER_F32) return ((const float*)base)[index];
    u32 bits = ((const u16*)base)[index];
    return number == NUMBER_BF16 ? from_bf16(bits) : from_f16(bits);
}

__device__ __forceinline__ void store_number(void* base, long long index, int number, float x) {
    if (number == NUMBER_F32) ((float*)base)[index] = x;
    else ((u16*)base)[index] = (u16)(number == NUMBER_BF16 ? pack_bf16(x, 0.0f) : pack_f16(x, 0.0f));
}
