// The host twin of kernels/intrinsics.cuh: runs a kernel's blocks one after another and its threads as fibers, so that a
// launch is deterministic, reads and writes go through the address sanitizer, and threads that do not meet are found.
//
// Shared memory is poisoned with NaN for each block. SHIM_ORDER=reverse runs threads from the last one down: what differs
// between the two orders is a race.
#pragma once
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>
#include <ucontext.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define __device__
#define __forceinline__ inline
#define WARP 32
#define INFINITE INFINITY
#define NOT_A_NUMBER NAN
#define SHARED(type, name, count) static char key_of_##name; type* name = (type*)shim::shared(&key_of_##name, sizeof(type) * (count))
#define KERNEL(threads, blocks_of_sm) extern "C" void

struct alignas(16) Vector4 { u32 x, y, z, w; };
struct alignas(8) Vector2 { u32 x, y; };
struct Three { unsigned x, y, z; };

namespace shim {

constexpr size_t STACK = 512 << 10;
constexpr int MOST_THREADS = 1024;

enum class Waits { Nothing, Block, Warp, Done };

struct Fiber {
    ucontext_t context;
    jmp_buf jump;
    Waits waits;
    int kind, turn;
    bool begun;
    void* fake;
    Three thread;
};

// What the lanes of a warp show each other; two of them, as a lane may be one meeting ahead.
struct Meeting { u32 shown[2][WARP][6]; };

struct Machine {
    std::vector<char> stacks;
    std::vector<Fiber> fibers;
    std::vector<Meeting> warps;
    std::map<const void*, std::unique_ptr<std::vector<Vector4>>> memory;
    Fiber* running = nullptr;
    Three block{}, block_dim{}, grid_dim{};
    ucontext_t main;
    jmp_buf main_jump;
    const void* main_stack = nullptr;
    size_t main_size = 0;
    void (*kernel)(const void*) = nullptr;
    const void* params = nullptr;
    bool reverse = false;
};
inline Machine machine;

inline void* shared(const void* key, size_t bytes) {
    auto& held = machine.memory[key];
    if (!held) {
        held = std::make_unique<std::vector<Vector4>>((bytes + 15) / 16);
        memset(held->data(), 0xff, bytes);
    }
    return held->data();
}

// To the scheduler, and back when it says so.
__attribute__((noinline)) inline void leave(bool last) {
    Fiber* me = machine.running;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(last ? nullptr : &me->fake, machine.main_stack, machine.main_size);
    swapcontext(&me->context, &machine.main);
    __sanitizer_finish_switch_fiber(me->fake, nullptr, nullptr);
#else
    (void)last;
    // Twenty times as fast as swapcontext, which asks the kernel for the signal mask.
    if (!_setjmp(me->jump)) _longjmp(machine.main_jump, 1);
#endif
}

inline void enter() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &machine.main_stack, &machine.main_size);
#endif
    machine.kernel(machine.params);
    machine.running->waits = Waits::Done;
    leave(true);
}

__attribute__((noinline)) inline void resume(Fiber& fiber, char* stack) {
    machine.running = &fiber;
    bool first = !fiber.begun;
    if (first) {
        fiber.begun = true;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = stack;
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, enter, 0);
    }
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, stack, STACK);
    swapcontext(&machine.main, &fiber.context);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
    if (!_setjmp(machine.main_jump)) {
        if (first) setcontext(&fiber.context);
        else _longjmp(fiber.jump, 1);
    }
#endif
}

// Lets those go on that have all come: a whole block, or a whole warp for the same purpose. Threads that have ended do
// not come any more, and a warp that lost a lane never meets, as on a device.
inline bool release(int threads) {
    bool any = false;
    int live = 0, at_block = 0;
    for (int i = 0; i < threads; i++) {
        live += machine.fibers[i].waits != Waits::Done;
        at_block += machine.fibers[i].waits == Waits::Block;
    }
    if (live && live == at_block) {
        for (int i = 0; i < threads; i++)
            if (machine.fibers[i].waits == Waits::Block) machine.fibers[i].waits = Waits::Nothing;
        return true;
    }
    for (int warp = 0; warp * WARP < threads; warp++) {
        bool met = true;
        for (int i = 0; i < WARP; i++) {
            const Fiber& fiber = machine.fibers[warp * WARP + i];
            met = met && fiber.waits == Waits::Warp && fiber.kind == machine.fibers[warp * WARP].kind;
        }
        for (int i = 0; met && i < WARP; i++) machine.fibers[warp * WARP + i].waits = Waits::Nothing;
        any = any || met;
    }
    return any;
}

// Runs one block. False: its threads wait for each other for ever.
inline bool run_block(int threads) {
    machine.memory.clear();
    for (int i = 0; i < threads; i++) {
        Fiber& fiber = machine.fibers[i];
        fiber.waits = Waits::Nothing;
        fiber.begun = false;
        fiber.turn = 0;
        fiber.thread = {(unsigned)i, 0, 0};
    }
    for (;;) {
        bool done = true;
        for (int n = 0; n < threads; n++) {
            int i = machine.reverse ? threads - 1 - n : n;
            if (machine.fibers[i].waits == Waits::Nothing) resume(machine.fibers[i], machine.stacks.data() + i * STACK);
            done = done && machine.fibers[i].waits == Waits::Done;
        }
        if (done) return true;
        if (!release(threads)) return false;
    }
}

// Runs a grid. Threads of a block must be whole warps, as all of ours are.
inline bool launch(void (*kernel)(const void*), const void* params, Three grid, Three block) {
    int threads = (int)block.x;
    if (block.y != 1 || block.z != 1 || threads % WARP || threads > MOST_THREADS) return false;
    machine.stacks.resize(threads * STACK);
    machine.fibers.resize(threads);
    machine.warps.resize(threads / WARP);
    machine.kernel = kernel;
    machine.params = params;
    machine.grid_dim = grid;
    machine.block_dim = block;
    const char* order = getenv("SHIM_ORDER");
    machine.reverse = order && !strcmp(order, "reverse");
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                machine.block = {x, y, z};
                if (!run_block(threads)) {
                    fprintf(stderr, "shim: threads of block (%u, %u, %u) do not meet\n", x, y, z);
                    return false;
                }
            }
    return true;
}

// Shows the other lanes of the warp `words`; what they showed is returned when all have come for the same purpose.
inline const u32 (*meet(int kind, const u32* words, int count))[6] {
    Fiber* me = machine.running;
    Meeting& meeting = machine.warps[me->thread.x / WARP];
    int turn = me->turn++ % 2;
    memcpy(meeting.shown[turn][me->thread.x % WARP], words, count * 4);
    me->waits = Waits::Warp;
    me->kind = kind;
    leave(false);
    return meeting.shown[turn];
}

inline u32 bits_of(float x) { u32 y; memcpy(&y, &x, 4); return y; }
inline float float_of(u32 x) { float y; memcpy(&y, &x, 4); return y; }

inline float half_to_float(u32 bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float x = exponent == 31 ? (mantissa ? NAN : INFINITY) : exponent ? std::ldexp((float)(mantissa | 1024), exponent - 25) : std::ldexp((float)mantissa, -24);
    return bits & 0x8000 ? -x : x;
}

// To the nearest, ties to even: steps of the exponent that x has.
inline u32 float_to_half(float x) {
    u32 sign = bits_of(x) >> 16 & 0x8000;
    if (std::isnan(x)) return 0x7fff;
    double magnitude = std::fabs((double)x);
    if (magnitude >= 65520.0) return sign | 0x7c00;
    if (magnitude == 0.0) return sign;
    int exponent;
    std::frexp(magnitude, &exponent);
    exponent = exponent < -13 ? -13 : exponent;
    double steps = std::nearbyint(std::ldexp(magnitude, 11 - exponent));
    // 1024 to 2048 steps where normal; below, and where it grew by one, the carry lands in the exponent by itself.
    return sign | (((u32)(exponent + 13) << 10) + (u32)steps);
}

inline u32 float_to_bf16(float x) {
    u32 bits = bits_of(x);
    if (std::isnan(x)) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

template <float FROM(u32)> inline void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, int kind) {
    u32 words[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const u32 (*shown)[6] = meet(kind, words, 6);
    int lane = machine.running->thread.x % WARP;
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        double sum = 0;
        for (int k = 0; k < 16; k++) {
            int shift = k % 2 * 16, of = k % 8 / 2;
            u32 left = shown[row % 8 * 4 + of][row / 8 + k / 8 * 2] >> shift, right = shown[column * 4 + of][4 + k / 8] >> shift;
            sum += (double)FROM(left & 0xffff) * (double)FROM(right & 0xffff);
        }
        c[i] = (float)(c[i] + sum);
    }
}

inline float bf16_to_float(u32 bits) { return float_of(bits << 16); }

} // namespace shim

#define threadIdx (shim::machine.running->thread)
#define blockIdx (shim::machine.block)
#define blockDim (shim::machine.block_dim)
#define gridDim (shim::machine.grid_dim)

inline float __uint_as_float(u32 x) { return shim::float_of(x); }
inline u32 __float_as_uint(float x) { return shim::bits_of(x); }
inline float exp2_fast(float x) { return std::exp2(x); }
inline float log2_fast(float x) { return std::log2(x); }
inline float reciprocal_fast(float x) { return 1.0f / x; }
inline float divide(float a, float b) { return a / b; }
inline float round_even(float x) { return std::nearbyint(x); }
inline float shuffle_xor(float x, int lanes) {
    u32 word = shim::bits_of(x);
    return shim::float_of(shim::meet(1, &word, 1)[threadIdx.x % WARP ^ lanes][0]);
}
inline float shuffle(float x, int lane) {
    u32 word = shim::bits_of(x);
    return shim::float_of(shim::meet(2, &word, 1)[lane][0]);
}
inline void sync_block() {
    shim::machine.running->waits = shim::Waits::Block;
    shim::leave(false);
}
inline u32 permute_bytes(u32 a, u32 b, u32 selector) {
    u64 both = (u64)b << 32 | a;
    u32 y = 0;
    for (int i = 0; i < 4; i++) y |= (u32)(both >> (selector >> (4 * i) & 7) * 8 & 0xff) << (8 * i);
    return y;
}
inline u32 pack_bf16(float low, float high) { return shim::float_to_bf16(high) << 16 | shim::float_to_bf16(low); }
inline u32 pack_f16(float low, float high) { return shim::float_to_half(high) << 16 | shim::float_to_half(low); }
inline float from_f16(u32 bits) { return shim::half_to_float(bits); }
inline u32 subtract_f16x2(u32 a, u32 b) { return pack_f16(from_f16(a & 0xffff) - from_f16(b & 0xffff), from_f16(a >> 16) - from_f16(b >> 16)); }
inline u32 multiply_f16x2(u32 a, u32 b) { return pack_f16(from_f16(a & 0xffff) * from_f16(b & 0xffff), from_f16(a >> 16) * from_f16(b >> 16)); }
// By alignment a device would refuse what the host allows.
template <class T> inline T stream_as(const void* at) {
    if ((uintptr_t)at % sizeof(T)) { fprintf(stderr, "shim: load of %zu bytes at %p\n", sizeof(T), at); abort(); }
    return *(const T*)at;
}
inline Vector4 stream16(const void* at) { return stream_as<Vector4>(at); }
inline Vector2 stream8(const void* at) { return stream_as<Vector2>(at); }
inline u32 stream4(const void* at) { return stream_as<u32>(at); }
inline void multiply_bf16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { shim::multiply<shim::bf16_to_float>(c, a, b0, b1, 3); }
inline void multiply_f16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { shim::multiply<shim::half_to_float>(c, a, b0, b1, 4); }
inline u32 transpose(u32 halves) {
    const u32 (*shown)[6] = shim::meet(5, &halves, 1);
    int lane = threadIdx.x % WARP;
    u32 y = 0;
    for (int i = 0; i < 2; i++) y |= (shown[(lane % 4 * 2 + i) * 4 + lane / 4 / 2][0] >> (lane / 4 % 2 * 16) & 0xffff) << (16 * i);
    return y;
}
