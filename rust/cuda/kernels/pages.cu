// What happens to pages besides attention: written, copied, gathered and scattered; and states of attention merged.
#include "numbers.cuh"

// Each warp has one head's key or value of one token.
template <int FORMAT> __device__ __forceinline__ void write(const WriteParams& p) {
    int lane = threadIdx.x % WARP;
    int task = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    int row_of = task % (2 * p.kv_heads), token = task / (2 * p.kv_heads);
    int which = row_of >= p.kv_heads, head = row_of - which * p.kv_heads;
    if (token >= p.tokens) return;
    long long asked = p.slots[token];
    if (asked < 0 || asked >= p.slots_total) return;
    int slot = (int)asked;
    const void* from = which ? p.values : p.keys;
    long long base = token * p.token_stride + (long long)head * p.head_dim;
    u8* page = p.pages + slot / p.block_size * p.page_bytes;
    long long row = row_of * p.block_size + slot % p.block_size;
    u8* to = page + row * p.head_dim * bytes_of(FORMAT);

    float divisor = 1.0f;
    if constexpr (is_scaled(FORMAT)) {
        constexpr float LARGEST = FORMAT == FORMAT_INT8 ? 127.0f : 448.0f;
        float most = 0.0f;
        bool broken = false;
        for (int i = lane; i < p.head_dim; i += WARP) {
            float x = fabsf(load_number(from, base + i, p.number));
            most = fmaxf(most, x);
            broken |= !(x < INFINITE);
        }
        #pragma unroll
        for (int lanes = 1; lanes < WARP; lanes *= 2) {
            most = fmaxf(most, shuffle_xor(most, lanes));
            broken |= shuffle_xor(broken ? 1.0f : 0.0f, lanes) != 0.0f;
        }
        // NaN and infinity cannot be held: the scale says so, and whoever reads the row reads NaN.
        float scale = broken ? NOT_A_NUMBER : divide(most, LARGEST);
        divisor = scale > 0.0f ? scale : 1.0f;
        if (lane == 0) ((float*)(page + 2ll * p.kv_heads * p.block_size * p.head_dim * bytes_of(FORMAT)))[row] = scale;
    }
    // Four numbers a lane: 16 bytes of f32, 4 of int8.
    for (int i = lane * 4; i < p.head_dim; i += WARP * 4) {
        float x[4];
        #pragma unroll
        for (int n = 0; n < 4; n++) x[n] = load_number(from, base + i + n, p.number);
        if constexpr (FORMAT == FORMAT_F32) {
            Vector4 v;
            v.x = __float_as_uint(x[0]); v.y = __float_as_uint(x[1]); v.z = __float_as_uint(x[2]); v.w = __float_as_uint(x[3]);
            *(Vector4*)(to + i * 4) = v;
        } else if constexpr (!is_scaled(FORMAT)) {
            Vector2 v;
            v.x = FORMAT == FORMAT_BF16 ? pack_bf16(x[0], x[1]) : pack_f16(x[0], x[1]);
            v.y = FORMAT == FORMAT_BF16 ? pack_bf16(x[2], x[3]) : pack_f16(x[2], x[3]);
            *(Vector2*)(to + i * 2) = v;
        } else {
            u32 word = 0;
            #pragma unroll
            for (int n = 0; n < 4; n++) {
                // As in the store of the processor, to the byte, so that a block may change its device.
                float scaled = divide(x[n], divisor);
                float code = scaled == scaled ? fminf(fmaxf(round_even(scaled), -127.0f), 127.0f) : 0.0f;
                u32 byte = FORMAT == FORMAT_FP8 ? to_fp8(scaled) : (u32)(int)code & 0xffu;
                word |= byte << (8 * n);
            }
            *(u32*)(to + i) = word;
        }
    }
}

KERNEL(128, 4) write_f32(const WriteParams p) { write<FORMAT_F32>(p); }
KERNEL(128, 4) write_bf16(const WriteParams p) { write<FORMAT_BF16>(p); }
KERNEL(128, 4) write_f16(const WriteParams p) { write<FORMAT_F16>(p); }
KERNEL(128, 4) write_int8(const WriteParams p) { write<FORMAT_INT8>(p); }
KERNEL(128, 4) write_fp8(const WriteParams p) { write<FORMAT_FP8>(p); }

// The first slots of a block into the same of another: one block of threads for each pair and layer.
KERNEL(256, 4) copy_slots(const CopyParams p) {
    const int* pair = p.pairs + 3ll * blockIdx.x;
    u8* layer = p.pages + blockIdx.y * p.layer_bytes;
    const u8* from = layer + pair[0] * p.page_bytes;
    u8* to = layer + pair[1] * p.page_bytes;
    int run = pair[2] * (p.row_bytes / 16);
    long long apart = (long long)p.block_size * p.row_bytes;
    for (int i = threadIdx.x; i < run * p.rows; i += blockDim.x) {
        long long at = i / run * apart + i % run * 16ll;
        *(Vector4*)(to + at) = *(const Vector4*)(from + at);
    }
    if (!p.scaled) return;
    for (int i = threadIdx.x; i < pair[2] * p.rows; i += blockDim.x) {
        long long at = p.rows * apart + (i / pair[2] * (long long)p.block_size + i % pair[2]) * 4;
        *(float*)(to + at) = *(const float*)(from + at);
    }
}

// One block's page of one layer, 16 bytes a thread and step; four loads are under way before the first store.
__device__ __forceinline__ void move_page(const u8* from, u8* to, long long bytes) {
    long long step = (long long)blockDim.x * 16, at = threadIdx.x * 16ll;
    for (; at + 3 * step < bytes; at += 4 * step) {
        Vector4 a = *(const Vector4*)(from + at), b = *(const Vector4*)(from + at + step);
        Vector4 c = *(const Vector4*)(from + at + 2 * step), d = *(const Vector4*)(from + at + 3 * step);
        *(Vector4*)(to + at) = a;
        *(Vector4*)(to + at + step) = b;
        *(Vector4*)(to + at + 2 * step) = c;
        *(Vector4*)(to + at + 3 * step) = d;
    }
    for (; at < bytes; at += step) *(Vector4*)(to + at) = *(const Vector4*)(from + at);
}

KERNEL(256, 4) gather_blocks(const SwapParams p) {
    const u8* page = p.pages + blockIdx.y * p.layer_bytes + p.blocks[blockIdx.x] * p.page_bytes;
    move_page(page, p.staging + ((long long)blockIdx.x * p.layers + blockIdx.y) * p.page_bytes, p.page_bytes);
}

KERNEL(256, 4) scatter_blocks(const SwapParams p) {
    u8* page = p.pages + blockIdx.y * p.layer_bytes + p.blocks[blockIdx.x] * p.page_bytes;
    move_page(p.staging + ((long long)blockIdx.x * p.layers + blockIdx.y) * p.page_bytes, page, p.page_bytes);
}

// What the host fills the states' weights with before they are written: rows that a part does not cover keep it.
#define UNWRITTEN -1.6e38f

// States of one row into one: those of its splits, and of a prefix that it shares. Each warp has a row.
KERNEL(128, 4) merge_states(const MergeParams p) {
    int lane = threadIdx.x % WARP;
    long long row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= p.rows) return;
    const float* lse = p.partial_lse + row * p.states;
    float most = -INFINITE, sum = 0.0f;
    bool broken = false;
    for (int i = lane; i < p.states; i += WARP) {
        if (lse[i] > UNWRITTEN) most = fmaxf(most, lse[i]);
        broken |= lse[i] != lse[i];
    }
    #pragma unroll
    for (int lanes = 1; lanes < WARP; lanes *= 2) {
        most = fmaxf(most, shuffle_xor(most, lanes));
        broken |= shuffle_xor(broken ? 1.0f : 0.0f, lanes) != 0.0f;
    }
    float base = most == -INFINITE ? 0.0f : most;
    for (int i = lane; i < p.states; i += WARP) sum += exp2_fast(lse[i] - base);
    #pragma unroll
    for (int lanes = 1; lanes < WARP; lanes *= 2) sum += shuffle_xor(sum, lanes);
    if (lane == 0 && p.logarithms) p.logarithms[row] = broken ? NOT_A_NUMBER : sum == 0.0f ? -INFINITE : (most + log2_fast(sum)) * 0.6931471805599453f;
    for (int place = lane; place < p.head_dim; place += WARP) {
        float x = 0.0f;
        for (int i = 0; i < p.states; i++) {
            float weight = exp2_fast(lse[i] - base);
            // A state of no weight is not read: nothing may have been written there.
            if (weight != 0.0f) x = fmaf(weight, p.partial[(row * p.states + i) * p.head_dim + place], x);
        }
        store_number(p.out, row * p.head_dim + place, p.number, broken ? NOT_A_NUMBER : sum == 0.0f ? 0.0f : divide(x, sum));
    }
}
