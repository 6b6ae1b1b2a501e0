// Attention over fp8 pages.
#include "attend_mma.cuh"

KERNEL(128, 3) attend_fp8_64(const AttendParams p) { attend<FORMAT_FP8, 64>(p); }
KERNEL(128, 3) attend_fp8_96(const AttendParams p) { attend<FORMAT_FP8, 96>(p); }
KERNEL(128, 3) attend_fp8_128(const AttendParams p) { attend<FORMAT_FP8, 128>(p); }
KERNEL(128, 2) attend_fp8_256(const AttendParams p) { attend<FORMAT_FP8, 256>(p); }
