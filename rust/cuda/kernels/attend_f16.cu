// Attention over f16 pages.
#include "attend_mma.cuh"

KERNEL(128, 3) attend_f16_64(const AttendParams p) { attend<FORMAT_F16, 64>(p); }
KERNEL(128, 3) attend_f16_96(const AttendParams p) { attend<FORMAT_F16, 96>(p); }
KERNEL(128, 3) attend_f16_128(const AttendParams p) { attend<FORMAT_F16, 128>(p); }
KERNEL(128, 2) attend_f16_256(const AttendParams p) { attend<FORMAT_F16, 256>(p); }
