// The kernel of attend.cuh on tensor cores: bf16, f16, int8 and fp8 pages.
#pragma once
#include "attend.cuh"

// The queries of the tile, each divided by a power of two near its largest number (f16 has no room for others), in the
// order in which lanes multiply them: [step][lane] of high pair, high pair, low pair, low pair.
template <int FORMAT, int DIM>
__device__ __forceinline__ void stage_queries(const AttendParams& p, const Work& w, Vector4* queries, float* sizes) {
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (int row = warp; row < ROWS; row += WARPS) {
        float most = 0.0f;
        if (row < w.rows)
            for (int i = lane; i < DIM; i += WARP) most = fmaxf(most, fabsf(load_number(p.query, row_index(p, w, row) * DIM + i, p.number)));
        #pragma unroll
        for (int lanes = 1; lanes < WARP; lanes *= 2) most = fmaxf(most, shuffle_xor(most, lanes));
        // The exponent alone; 1 for a row of zeros and for one with infinities, which stay what they are.
        u32 exponent = __float_as_uint(most) & 0x7f800000u;
        if (lane == 0) sizes[row] = exponent == 0 || exponent > 0x7e000000u ? 1.0f : __uint_as_float(exponent);
    }
    sync_block();
    using Part = Share<DIM, 4, widest<FORMAT>(DIM, 4)>;
    for (int i = threadIdx.x; i < DIM / 16 * WARP; i += WARPS * WARP) {
        int step = i / WARP, row = i % WARP / 4, part = i % 4;
        float x[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < w.rows) {
            long long base = row_index(p, w, row) * DIM;
            // Of a power of two between 2^-126 and 2^125: exact.
            float inverse = __uint_as_float(0x7f000000u - __float_as_uint(sizes[row]));
            #pragma unroll
            for (int n = 0; n < 4; n++)
                x[n] = load_number(p.query, base + Part::place(part, step * 4 + n), p.number) * inverse;
        }
        Vector4 v;
        v.x = pack<FORMAT>(x[0], x[1]);
        v.y = pack<FORMAT>(x[2], x[3]);
        v.z = pack_rest<FORMAT>(v.x, x[0], x[1]);
        v.w = pack_rest<FORMAT>(v.y, x[2], x[3]);
        queries[i] = v;
    }
    sync_block();
}

// A warp's tile as it comes from memory.
template <int FORMAT, int DIM> struct Tile {
    static constexpr int KEY_WORDS = DIM * bytes_of(FORMAT) / 16;
    static constexpr int VALUE_WORDS = DIM * bytes_of(FORMAT) / 32;
    u32 keys[2][KEY_WORDS];            // tokens lane / 4 and 8 more, a fourth of the row each
    u32 values[4][VALUE_WORDS];        // tokens 2 (lane % 4), 1, 8 and 9 more, an eighth of the row each
    float key_scales[2], value_scales[2];

    __device__ __forceinline__ void load_keys(const Place& at, int lane) {
        constexpr int ROW = DIM * bytes_of(FORMAT);
        if (!at.keys) {
            #pragma unroll
            for (int i = 0; i < KEY_WORDS; i++) keys[0][i] = keys[1][i] = 0;
            key_scales[0] = key_scales[1] = 0.0f;
            return;
        }
        stream_row<FORMAT, DIM, 4>(keys[0], at.keys + lane / 4 * ROW, lane % 4);
        stream_row<FORMAT, DIM, 4>(keys[1], at.keys + (lane / 4 + 8) * ROW, lane % 4);
        if constexpr (is_scaled(FORMAT)) {
            key_scales[0] = at.scales[lane / 4];
            key_scales[1] = at.scales[lane / 4 + 8];
        }
    }

    __device__ __forceinline__ void load_values(const AttendParams& p, const Work& w, const Place& at, int token, int lane) {
        constexpr int ROW = DIM * bytes_of(FORMAT);
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            int row = lane % 4 * 2 + i % 2 + i / 2 * 8;
            // A slot that is not written may hold NaN, which a weight of 0 does not undo.
            if (at.keys && token + row < w.end && token + row >= w.first_token) {
                stream_row<FORMAT, DIM, 8>(values[i], at.keys + (p.kv_heads * p.block_size + row) * ROW, lane / 4);
            } else {
                #pragma unroll
                for (int n = 0; n < VALUE_WORDS; n++) values[i][n] = 0;
            }
        }
        value_scales[0] = value_scales[1] = 0.0f;
        if constexpr (is_scaled(FORMAT)) if (at.keys) {
            value_scales[0] = at.scales[p.kv_heads * p.block_size + lane / 4];
            value_scales[1] = at.scales[p.kv_heads * p.block_size + lane / 4 + 8];
        }
    }
};

// The softmax so far of a lane's two rows, 2 (lane % 4) and the next, and its share of their sums of values.
template <int FORMAT, int DIM> struct State {
    float most[2], sum[2];
    float size[2];                     // the largest of score + log2(value scale): what `values` are relative to
    float values[DIM / 16][4];

    __device__ __forceinline__ void clear() {
        #pragma unroll
        for (int i = 0; i < 2; i++) { most[i] = size[i] = -INFINITE; sum[i] = 0.0f; }
        #pragma unroll
        for (int i = 0; i < DIM / 16; i++)
            #pragma unroll
            for (int n = 0; n < 4; n++) values[i][n] = 0.0f;
    }

    // Scores are [token lane / 4][row], [that token][next row], [8 tokens on][row], [8 tokens on][next row].
    __device__ __forceinline__ void weigh_scores(float (&scores)[4], const float* value_scales) {
        float factor[2];
        #pragma unroll
        for (int i = 0; i < 2; i++) {
            float largest = fmaxf(most[i], most_of_column(fmaxf(scores[i], scores[i + 2])));
            float shrink = weigh(most[i], largest);
            most[i] = largest;
            float low = weigh(scores[i], largest), high = weigh(scores[i + 2], largest);
            sum[i] = sum[i] * shrink + low + high;
            if constexpr (is_scaled(FORMAT)) {
                // Weights times scales of the values may be too small or large for f16: they get a base of their own.
                float a = low == 0.0f ? -INFINITE : scores[i] + log2_fast(value_scales[0]);
                float b = high == 0.0f ? -INFINITE : scores[i + 2] + log2_fast(value_scales[1]);
                float base = fmaxf(size[i], most_of_column(fmaxf(a, b)));
                factor[i] = weigh(size[i], base);
                size[i] = base;
                scores[i] = weigh(a, base);
                scores[i + 2] = weigh(b, base);
            } else {
                size[i] = largest;
                factor[i] = shrink;
                scores[i] = low;
                scores[i + 2] = high;
            }
        }
        #pragma unroll
        for (int i = 0; i < DIM / 16; i++)
            #pragma unroll
            for (int n = 0; n < 4; n++) values[i][n] *= factor[n % 2];
    }

    __device__ __forceinline__ void add_values(const float (&weights)[4], const u32 (&tile)[4][DIM * bytes_of(FORMAT) / 32]) {
        u32 low = pack<FORMAT>(weights[0], weights[1]), high = pack<FORMAT>(weights[2], weights[3]);
        u32 low_rest = transpose(pack_rest<FORMAT>(low, weights[0], weights[1]));
        u32 high_rest = transpose(pack_rest<FORMAT>(high, weights[2], weights[3]));
        low = transpose(low);
        high = transpose(high);
        #pragma unroll
        for (int i = 0; i < DIM / 16; i++) {
            u32 a[4] = {
                pair_across<FORMAT>(tile[0], tile[1], 2 * i), pair_across<FORMAT>(tile[0], tile[1], 2 * i + 1),
                pair_across<FORMAT>(tile[2], tile[3], 2 * i), pair_across<FORMAT>(tile[2], tile[3], 2 * i + 1)};
            multiply<FORMAT>(values[i], a, low, high);
            multiply<FORMAT>(values[i], a, low_rest, high_rest);
        }
    }
};

// Brings the four warps' states together and writes the rows.
template <int FORMAT, int DIM>
__device__ __forceinline__ void finish(const AttendParams& p, const Work& w, State<FORMAT, DIM>& state, float* sums, float* together) {
    constexpr int PITCH = DIM + 4;     // two rows of a lane's neighbours would meet in one bank
    using Part = Share<DIM, 8, widest<FORMAT>(DIM, 8)>;
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, column = lane % 4 * 2;
    #pragma unroll
    for (int i = 0; i < 2; i++) {
        float sum = sum_of_column(state.sum[i]);
        if (lane < 4) {
            float* at = sums + (warp * ROWS + column + i) * 3;
            at[0] = state.most[i]; at[1] = state.size[i]; at[2] = sum;
        }
    }
    sync_block();
    #pragma unroll
    for (int i = 0; i < 2; i++) {
        float size = -INFINITE;
        #pragma unroll
        for (int n = 0; n < WARPS; n++) size = fmaxf(size, sums[(n * ROWS + column + i) * 3 + 1]);
        float factor = weigh(state.size[i], size);
        #pragma unroll
        for (int n = 0; n < DIM / 8; n++)
            together[(warp * ROWS + column + i) * PITCH + Part::place(lane / 4, n)] = state.values[n / 2][n % 2 * 2 + i] * factor;
    }
    sync_block();
    for (int i = threadIdx.x; i < w.rows * DIM; i += WARPS * WARP) {
        int row = i / DIM, place = i % DIM;
        float most = -INFINITE, size = -INFINITE, sum = 0.0f, x = 0.0f;
        #pragma unroll
        for (int n = 0; n < WARPS; n++) {
            most = fmaxf(most, sums[(n * ROWS + row) * 3]);
            size = fmaxf(size, sums[(n * ROWS + row) * 3 + 1]);
        }
        #pragma unroll
        for (int n = 0; n < WARPS; n++) {
            sum += sums[(n * ROWS + row) * 3 + 2] * weigh(sums[(n * ROWS + row) * 3], most);
            x += together[(n * ROWS + row) * PITCH + place];
        }
        // Nothing seen: 0, not 0 / 0.
        float scaled = sum == 0.0f ? 0.0f : divide(x, sum) * weigh(size, most);
        put(p, row_index(p, w, row), DIM, place, scaled);
        if (place == 0) put_lse(p, row_index(p, w, row), most, sum);
    }
}

template <int FORMAT, int DIM> __device__ __forceinline__ void attend(const AttendParams& p) {
    SHARED(Vector4, queries, DIM / 16 * WARP);
    SHARED(float, sizes, ROWS);
    SHARED(float, sums, WARPS * ROWS * 3);
    SHARED(float, together, WARPS * ROWS * (DIM + 4));
    Work w;
    if (!find_work(p, w)) return;
    if (w.begin >= w.end) return put_nothing(p, w, DIM, threadIdx.x, WARPS * WARP);
    stage_queries<FORMAT, DIM>(p, w, queries, sizes);

    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, column = lane % 4 * 2;
    float size[2] = {sizes[column], sizes[column + 1]};
    int first[2], last[2];
    #pragma unroll
    for (int i = 0; i < 2; i++) {
        first[i] = least_seen(p, w, w.first_row + column + i);
        last[i] = column + i < w.rows ? most_seen(p, w, w.first_row + column + i) : 0;
    }
    State<FORMAT, DIM> state;
    state.clear();
    Tile<FORMAT, DIM> tile;
    int token = w.begin + warp * TILE;
    Place at = find_place<FORMAT, DIM>(p, w, token);
    tile.load_keys(at, lane);
    tile.load_values(p, w, at, token, lane);
    Place next = find_place<FORMAT, DIM>(p, w, token + WARPS * TILE);
    for (; token < w.end; token += WARPS * TILE) {
        float scores[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        #pragma unroll
        for (int step = 0; step < DIM / 16; step++) {
            u32 a[4] = {
                pair_of<FORMAT>(tile.keys[0], 2 * step), pair_of<FORMAT>(tile.keys[1], 2 * step),
                pair_of<FORMAT>(tile.keys[0], 2 * step + 1), pair_of<FORMAT>(tile.keys[1], 2 * step + 1)};
            Vector4 b = queries[step * WARP + lane];
            multiply<FORMAT>(scores, a, b.x, b.y);
            multiply<FORMAT>(scores, a, b.z, b.w);
        }
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            int of = token + lane / 4 + i / 2 * 8;
            float dot = scores[i] * size[i % 2];
            if constexpr (is_scaled(FORMAT)) dot *= tile.key_scales[i / 2];
            if (!at.keys) dot = NOT_A_NUMBER;
            scores[i] = finish_score(p, dot, of >= first[i % 2] && of < last[i % 2] && of < w.end);
        }
        tile.load_keys(next, lane);
        state.weigh_scores(scores, tile.value_scales);
        state.add_values(scores, tile.values);
        tile.load_values(p, w, next, token + WARPS * TILE, lane);
        at = next;
        next = find_place<FORMAT, DIM>(p, w, token + 2 * WARPS * TILE);
    }
    finish<FORMAT, DIM>(p, w, state, sums, together);
}
