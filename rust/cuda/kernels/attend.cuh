// Paged attention of up to 8 rows (queries times the heads that share a key/value head) over one split of a sequence.
//
// Four warps take tiles of 16 tokens in turn, each with a softmax of its own, and meet at the end. Products go through
// the tensor cores: transposed, 16 tokens x 8 rows, so that a group of 8 query heads fills a tile and a smaller one costs
// the same. On plain cores int8 pages with 8 rows need 180 operations a clock where a multiprocessor has 128
// (3.35 TB/s over 132 of them at 1.7 GHz is 15 bytes a clock each), so they could not follow the memory.
//
// Keys and values go from memory into registers in the order that the tensor cores want, 16 bytes a lane: the order of
// the inner dimension is free as long as both factors keep it. The keys of the next tile are asked for as soon as those
// of this one are used, and the values likewise, so that 4 to 8 KiB of each warp are always under way.
//
// Queries and weights are split into two halves each (x = high + low), so that nothing but keys and values is rounded.
#pragma once
#include "numbers.cuh"

#define ROWS 8
#define TILE 16
#define WARPS 4
#define LOG2_E 1.4426950408889634f

// What of a tile a lane holds of its row, and where: `MAIN` numbers of a row are loaded by all lanes of it in one go, and
// the rest of it (head dimension 96) in a narrower one.
template <int DIM, int LANES, int PIECE> struct Share {
    static constexpr int PER = PIECE;                          // numbers of a lane in one load
    static constexpr int MAIN = PER * LANES;
    static constexpr int FULL = DIM / MAIN * MAIN;
    static constexpr int REST = (DIM - FULL) / LANES;
    static constexpr int COUNT = DIM / LANES;

    // The place in the row of number `n` of lane `part`.
    static __device__ __forceinline__ int place(int part, int n) {
        return n < FULL / LANES ? n / PER * MAIN + part * PER + n % PER : FULL + part * REST + n - FULL / LANES;
    }
};

template <int FORMAT> constexpr __device__ int widest(int dim, int lanes) {
    // 16 bytes, or what a row has for a lane.
    int most = 16 / bytes_of(FORMAT);
    while (most * lanes > dim) most /= 2;
    return most;
}

template <int BYTES> __device__ __forceinline__ void stream(u32* words, const u8* at) {
    if constexpr (BYTES == 16) {
        Vector4 v = stream16(at);
        words[0] = v.x; words[1] = v.y; words[2] = v.z; words[3] = v.w;
    } else if constexpr (BYTES == 8) {
        Vector2 v = stream8(at);
        words[0] = v.x; words[1] = v.y;
    } else {
        static_assert(BYTES == 4);
        words[0] = stream4(at);
    }
}

// A lane's share of one row.
template <int FORMAT, int DIM, int LANES> __device__ __forceinline__ void stream_row(u32* words, const u8* row, int part) {
    constexpr int SIZE = bytes_of(FORMAT);
    using Part = Share<DIM, LANES, widest<FORMAT>(DIM, LANES)>;
    #pragma unroll
    for (int piece = 0; piece < Part::FULL / Part::MAIN; piece++)
        stream<Part::PER * SIZE>(words + piece * Part::PER * SIZE / 4, row + (piece * Part::MAIN + part * Part::PER) * SIZE);
    if constexpr (Part::REST > 0)
        stream<Part::REST * SIZE>(words + Part::FULL / LANES * SIZE / 4, row + (Part::FULL + part * Part::REST) * SIZE);
}

// Numbers 2n and 2n + 1 of a lane's share, as the tensor cores take them.
template <int FORMAT> __device__ __forceinline__ u32 pair_of(const u32* words, int n) {
    if constexpr (bytes_of(FORMAT) == 2) return words[n];
    u32 word = words[n / 2];
    if constexpr (FORMAT == FORMAT_INT8) return int8_to_f16x2(permute_bytes(word ^ 0x80808080u, 0, n % 2 ? 0x4342 : 0x4140));
    return fp8_to_f16x2(permute_bytes(word, 0, n % 2 ? 0x3424 : 0x1404));
}

// Number n of two tokens' shares.
template <int FORMAT> __device__ __forceinline__ u32 pair_across(const u32* first, const u32* second, int n) {
    if constexpr (bytes_of(FORMAT) == 2) return permute_bytes(first[n / 2], second[n / 2], n % 2 ? 0x7632 : 0x5410);
    u32 low = (u32)(n % 4), high = low + 4;
    if constexpr (FORMAT == FORMAT_INT8) {
        u32 both = permute_bytes(first[n / 4], second[n / 4], low | low << 4 | high << 8 | high << 12);
        return int8_to_f16x2((both ^ 0x00800080u) & 0x00ff00ffu);
    }
    return fp8_to_f16x2(permute_bytes(first[n / 4], second[n / 4], low | low << 4 | high << 8 | high << 12) & 0xff00ff00u);
}

template <int FORMAT> __device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    if constexpr (FORMAT == FORMAT_BF16) multiply_bf16(c, a, b0, b1);
    else multiply_f16(c, a, b0, b1);
}

template <int FORMAT> __device__ __forceinline__ u32 pack(float low, float high) {
    if constexpr (FORMAT == FORMAT_BF16) return pack_bf16(low, high);
    else return pack_f16(low, high);
}

// What `pack` lost of the two.
template <int FORMAT> __device__ __forceinline__ u32 pack_rest(u32 packed, float low, float high) {
    if constexpr (FORMAT == FORMAT_BF16) return pack_bf16(low - from_bf16(packed & 0xffffu), high - from_bf16(packed >> 16));
    else return pack_f16(low - from_f16(packed & 0xffffu), high - from_f16(packed >> 16));
}

// What this block of threads works on.
struct Work {
    int kv_head, first_row, rows;      // rows of the tile, of `first_row` on
    int first_query, queries;          // of the sequence
    int length, first_token;           // tokens of the table; the first that may be seen
    int begin, end;                    // this split: begin is a multiple of 16
    const int* table;
};

__device__ __forceinline__ int most_seen(const AttendParams& p, const Work& w, int row) {
    return p.causal ? w.length - w.queries + 1 + row / p.group : w.length;
}

__device__ __forceinline__ int least_seen(const AttendParams& p, const Work& w, int row) {
    int first = p.window > 0 ? most_seen(p, w, row) - p.window : 0;
    return first > w.first_token ? first : w.first_token;
}

// False: the sequence has no such rows.
__device__ __forceinline__ bool find_work(const AttendParams& p, Work& w) {
    int sequence = blockIdx.z, split = blockIdx.x;
    int tiles = gridDim.y / p.kv_heads;
    w.kv_head = blockIdx.y / tiles;
    w.first_query = p.query_start ? p.query_start[sequence] : sequence;
    w.queries = p.query_start ? p.query_start[sequence + 1] - w.first_query : 1;
    if (w.first_query < 0 || w.queries > p.queries - w.first_query) return false;
    w.first_row = blockIdx.y % tiles * ROWS;
    w.rows = w.queries * p.group - w.first_row;
    if (w.rows <= 0) return false;
    if (w.rows > ROWS) w.rows = ROWS;
    int capacity = p.table_stride * p.block_size;
    w.length = p.lengths[sequence] < capacity ? p.lengths[sequence] : capacity;
    w.first_token = p.starts ? p.starts[sequence] : 0;
    w.table = p.block_table + (long long)sequence * p.table_stride;
    int first = least_seen(p, w, w.first_row), last = most_seen(p, w, w.first_row + w.rows - 1);
    first = first > 0 ? first / TILE * TILE : 0;
    w.begin = first + split * p.chunk;
    // The last split takes what is left, so that a length the host did not expect is slow, not wrong.
    w.end = split == p.splits - 1 ? last : (w.begin + p.chunk < last ? w.begin + p.chunk : last);
    return true;
}

// Row `row` of the tile in `partial` and `out`.
__device__ __forceinline__ long long row_index(const AttendParams& p, const Work& w, int row) {
    int at = w.first_row + row;
    return ((long long)(w.first_query + at / p.group) * p.kv_heads + w.kv_head) * p.group + at % p.group;
}

// Where the head's part of a tile is: keys, and their scales. No keys behind the end, and none for a block that the store
// has not, whose tokens have NaN for a score: the answer shows it. Values are kv_heads * block_size rows on, their scales
// as many numbers.
struct Place {
    const u8* keys;
    const float* scales;
};

template <int FORMAT, int DIM> __device__ __forceinline__ Place find_place(const AttendParams& p, const Work& w, int token) {
    Place place = {nullptr, nullptr};
    if (token >= w.end) return place;
    int block = w.table[token / p.block_size];
    if ((u32)block >= (u32)p.blocks) return place;
    const u8* page = p.pages + block * p.page_bytes;
    int row = w.kv_head * p.block_size + token % p.block_size;
    place.keys = page + row * (DIM * bytes_of(FORMAT));
    if constexpr (is_scaled(FORMAT)) place.scales = (const float*)(page + p.kv_heads * p.block_size * (2 * DIM * bytes_of(FORMAT))) + row;
    return place;
}

// The score in base 2, or -inf where the row does not see the token.
__device__ __forceinline__ float finish_score(const AttendParams& p, float dot, bool seen) {
    float score = dot * p.scale;
    // tanh(x) = 1 - 2 / (e^2x + 1): 1e-7 off, where tanh.approx is 5e-4.
    if (p.soft_cap > 0.0f) score = p.soft_cap * (1.0f - 2.0f * reciprocal_fast(exp2_fast(dot * p.soft_rate) + 1.0f));
    return seen ? score * LOG2_E : -INFINITE;
}

// exp2(x - base), where both may be -inf.
__device__ __forceinline__ float weigh(float x, float base) { return exp2_fast(x - (base == -INFINITE ? 0.0f : base)); }

// The largest over the lanes that share lane % 4.
__device__ __forceinline__ float most_of_column(float x) {
    #pragma unroll
    for (int lanes = 4; lanes < WARP; lanes *= 2) x = fmaxf(x, shuffle_xor(x, lanes));
    return x;
}

__device__ __forceinline__ float sum_of_column(float x) {
    #pragma unroll
    for (int lanes = 4; lanes < WARP; lanes *= 2) x += shuffle_xor(x, lanes);
    return x;
}

// Writes one row's result: `sum` is the sum of exp2(score - most).
__device__ __forceinline__ void put(const AttendParams& p, long long row, int dim, int place, float x) {
    if (p.states) p.partial[(row * p.states + p.first_state + blockIdx.x) * dim + place] = x;
    else store_number(p.out, row * dim + place, p.number, x);
}

__device__ __forceinline__ void put_lse(const AttendParams& p, long long row, float most, float sum) {
    if (p.states) p.partial_lse[row * p.states + p.first_state + blockIdx.x] = sum > 0.0f ? most + log2_fast(sum) : sum == 0.0f ? -INFINITE : sum;
}

// Rows that see nothing: zeros, of no weight.
__device__ __forceinline__ void put_nothing(const AttendParams& p, const Work& w, int dim, int thread, int threads) {
    for (int i = thread; i < w.rows * dim; i += threads) put(p, row_index(p, w, i / dim), dim, i % dim, 0.0f);
    if (thread < w.rows) put_lse(p, row_index(p, w, thread), -INFINITE, 0.0f);
}
