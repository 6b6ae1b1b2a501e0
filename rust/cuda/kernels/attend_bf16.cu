// Attention over bf16 pages.
#include "attend_mma.cuh"

KERNEL(128, 3) attend_bf16_64(const AttendParams p) { attend<FORMAT_BF16, 64>(p); }
KERNEL(128, 3) attend_bf16_96(const AttendParams p) { attend<FORMAT_BF16, 96>(p); }
KERNEL(128, 3) attend_bf16_128(const AttendParams p) { attend<FORMAT_BF16, 128>(p); }
KERNEL(128, 2) attend_bf16_256(const AttendParams p) { attend<FORMAT_BF16, 256>(p); }
