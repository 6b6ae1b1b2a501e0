// Attention over int8 pages.
#include "attend_mma.cuh"

KERNEL(128, 3) attend_int8_64(const AttendParams p) { attend<FORMAT_INT8, 64>(p); }
KERNEL(128, 3) attend_int8_96(const AttendParams p) { attend<FORMAT_INT8, 96>(p); }
KERNEL(128, 3) attend_int8_128(const AttendParams p) { attend<FORMAT_INT8, 128>(p); }
KERNEL(128, 2) attend_int8_256(const AttendParams p) { attend<FORMAT_INT8, 256>(p); }
