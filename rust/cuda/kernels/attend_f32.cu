// Attention over f32 pages: on plain cores, as no tensor core multiplies f32 without rounding it.
//
// A warp takes 4 tokens at a time and a lane DIM / 32 numbers of each row. The 32 dot products of 4 tokens and 8 rows
// are summed over the lanes in 31 shuffles, halving what each lane keeps, and end with one in each lane.
#include "attend.cuh"

#define TOKENS 4

template <int DIM> __device__ __forceinline__ int place_of(int lane, int n) {
    constexpr int PIECE = DIM % 128 == 0 ? 4 : DIM % 64 == 0 ? 2 : 1;
    return n / PIECE * PIECE * WARP + lane * PIECE + n % PIECE;
}

template <int DIM> __device__ __forceinline__ void stream_part(float* x, const float* row, int lane) {
    constexpr int PIECE = DIM % 128 == 0 ? 4 : DIM % 64 == 0 ? 2 : 1;
    #pragma unroll
    for (int n = 0; n < DIM / WARP; n += PIECE) stream<PIECE * 4>((u32*)x + n, (const u8*)(row + place_of<DIM>(lane, n)));
}

// The sum over the lanes of x[lane].
template <int HALF> __device__ __forceinline__ float sum_across(float (&x)[WARP], int lane) {
    if constexpr (HALF == 0) {
        return x[0];
    } else {
        bool upper = lane & HALF;
        #pragma unroll
        for (int i = 0; i < HALF; i++) {
            float kept = upper ? x[i + HALF] : x[i], given = upper ? x[i] : x[i + HALF];
            x[i] = kept + shuffle_xor(given, HALF);
        }
        return sum_across<HALF / 2>(x, lane);
    }
}

template <int DIM> __device__ __forceinline__ void attend(const AttendParams& p) {
    constexpr int PART = DIM / WARP;
    SHARED(float, queries, ROWS * DIM);
    SHARED(float, sums, WARPS * ROWS * 2);
    SHARED(float, together, WARPS * ROWS * DIM);
    Work w;
    if (!find_work(p, w)) return;
    if (w.begin >= w.end) return put_nothing(p, w, DIM, threadIdx.x, WARPS * WARP);
    for (int i = threadIdx.x; i < ROWS * DIM; i += WARPS * WARP)
        queries[i] = i / DIM < w.rows ? load_number(p.query, row_index(p, w, i / DIM) * DIM + i % DIM, p.number) : 0.0f;
    sync_block();

    // This lane's softmax is of row lane % 8 over token lane / 8 of each four.
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, row = lane % ROWS;
    int first = least_seen(p, w, w.first_row + row);
    int last = row < w.rows ? most_seen(p, w, w.first_row + row) : 0;
    float most = -INFINITE, sum = 0.0f, values[ROWS][PART];
    #pragma unroll
    for (int r = 0; r < ROWS; r++)
        #pragma unroll
        for (int n = 0; n < PART; n++) values[r][n] = 0.0f;

    for (int token = w.begin + warp * TOKENS; token < w.end; token += WARPS * TOKENS) {
        const float* at = (const float*)find_place<FORMAT_F32, DIM>(p, w, token).keys;
        float keys[TOKENS][PART], added[TOKENS][PART], dots[WARP];
        #pragma unroll
        for (int t = 0; t < TOKENS; t++) {
            bool there = at && token + t < w.end && token + t >= w.first_token;
            const float* key = at + t * DIM;
            #pragma unroll
            for (int n = 0; n < PART; n++) keys[t][n] = added[t][n] = 0.0f;
            if (there) {
                stream_part<DIM>(keys[t], key, lane);
                stream_part<DIM>(added[t], key + p.kv_heads * p.block_size * DIM, lane);
            }
        }
        #pragma unroll
        for (int r = 0; r < ROWS; r++) {
            #pragma unroll
            for (int t = 0; t < TOKENS; t++) dots[t * ROWS + r] = 0.0f;
            #pragma unroll
            for (int n = 0; n < PART; n++) {
                float x = queries[r * DIM + place_of<DIM>(lane, n)];
                #pragma unroll
                for (int t = 0; t < TOKENS; t++) dots[t * ROWS + r] = fmaf(x, keys[t][n], dots[t * ROWS + r]);
            }
        }
        float dot = sum_across<WARP / 2>(dots, lane);
        int of = token + lane / ROWS;
        float score = finish_score(p, at ? dot : NOT_A_NUMBER, of >= first && of < last && of < w.end);
        float largest = fmaxf(score, shuffle_xor(score, ROWS));
        largest = fmaxf(most, fmaxf(largest, shuffle_xor(largest, 2 * ROWS)));
        float shrink = weigh(most, largest), weight = weigh(score, largest);
        most = largest;
        sum = sum * shrink + weight;
        #pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float factor = shuffle(shrink, r);
            #pragma unroll
            for (int n = 0; n < PART; n++) values[r][n] *= factor;
            #pragma unroll
            for (int t = 0; t < TOKENS; t++) {
                float of_token = shuffle(weight, t * ROWS + r);
                #pragma unroll
                for (int n = 0; n < PART; n++) values[r][n] = fmaf(of_token, added[t][n], values[r][n]);
            }
        }
    }

    sum += shuffle_xor(sum, ROWS);
    sum += shuffle_xor(sum, 2 * ROWS);
    if (lane < ROWS) { sums[(warp * ROWS + lane) * 2] = most; sums[(warp * ROWS + lane) * 2 + 1] = sum; }
    #pragma unroll
    for (int r = 0; r < ROWS; r++)
        #pragma unroll
        for (int n = 0; n < PART; n++) together[(warp * ROWS + r) * DIM + place_of<DIM>(lane, n)] = values[r][n];
    sync_block();
    for (int i = threadIdx.x; i < w.rows * DIM; i += WARPS * WARP) {
        int of = i / DIM;
        float largest = -INFINITE, whole = 0.0f, x = 0.0f;
        #pragma unroll
        for (int n = 0; n < WARPS; n++) largest = fmaxf(largest, sums[(n * ROWS + of) * 2]);
        #pragma unroll
        for (int n = 0; n < WARPS; n++) {
            float factor = weigh(sums[(n * ROWS + of) * 2], largest);
            whole += sums[(n * ROWS + of) * 2 + 1] * factor;
            x += together[(n * ROWS + of) * DIM + i % DIM] * factor;
        }
        put(p, row_index(p, w, of), DIM, i % DIM, whole == 0.0f ? 0.0f : divide(x, whole));
        if (i % DIM == 0) put_lse(p, row_index(p, w, of), largest, whole);
    }
}

KERNEL(128, 3) attend_f32_64(const AttendParams p) { attend<64>(p); }
KERNEL(128, 3) attend_f32_96(const AttendParams p) { attend<96>(p); }
KERNEL(128, 3) attend_f32_128(const AttendParams p) { attend<128>(p); }
KERNEL(128, 2) attend_f32_256(const AttendParams p) { attend<256>(p); }
