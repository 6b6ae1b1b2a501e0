// What each kernel is given: one struct by value, the twin of src/params.rs. Pointers first, then 8-byte, then 4-byte
// numbers, so that there is no padding for the two compilers to disagree about.
#pragma once

// What a number outside the pages is (new keys and values, queries, outputs).
enum Number { NUMBER_F32 = 0, NUMBER_BF16 = 1, NUMBER_F16 = 2 };

struct WriteParams {
    const void* keys;            // [tokens][kv_heads][head_dim] of `number`, token t at t * token_stride
    const void* values;          // the same
    const long long* slots;      // [tokens], block * block_size + offset; negative: skip
    unsigned char* pages;        // one layer
    long long page_bytes;
    long long token_stride;      // in numbers
    long long slots_total;       // blocks * block_size: a slot behind it is skipped
    int tokens;
    int kv_heads;
    int head_dim;
    int block_size;
    int number;
    int reserved;
};

struct CopyParams {
    unsigned char* pages;        // the whole store
    const int* pairs;            // [count][3]: from, to, slots
    long long page_bytes;
    long long layer_bytes;
    int count;
    int layers;
    int rows;                    // 2 * kv_heads
    int block_size;
    int row_bytes;               // of one head's key: head_dim * bytes of a number
    int scaled;                  // 1: f32 scales behind the numbers
};

struct SwapParams {
    unsigned char* pages;        // the whole store
    unsigned char* staging;      // [count][layers][page]
    const int* blocks;           // [count]
    long long page_bytes;
    long long layer_bytes;
    int count;
    int layers;
};

struct AttendParams {
    const void* query;           // [queries][kv_heads * group][head_dim] of `number`
    void* out;                   // the same shape; used when states == 0
    float* partial;              // [queries * heads][states][head_dim], normalised
    float* partial_lse;          // [queries * heads][states], base 2; -inf: nothing seen
    const unsigned char* pages;  // one layer
    const int* block_table;      // [sequences][table_stride]
    const int* lengths;          // [sequences]: tokens in the table
    const int* starts;           // [sequences]: the first token to see; null: 0
    const int* query_start;      // [sequences + 1]: the queries of each; null: one each
    long long page_bytes;
    int kv_heads;
    int group;                   // query heads of a key/value head
    int block_size;
    int table_stride;
    int blocks;                  // of the store: an id behind it is not followed
    int chunk;                   // tokens of a split, a multiple of 64
    int splits;
    int states;                  // states of a row in partial; 0: write `out`
    int first_state;
    int window;                  // tokens a query sees, itself included; 0: all
    int causal;                  // 1: query i of n sees length - n + 1 + i tokens
    int number;
    float scale;
    float soft_cap;              // 0: none
    float soft_rate;             // 2 log2(e) scale / soft_cap
    int queries;                 // of all sequences
};

struct MergeParams {
    const float* partial;        // [rows][states][head_dim]
    const float* partial_lse;    // [rows][states]
    void* out;                   // [rows][head_dim] of `number`
    float* logarithms;           // [rows]: natural logarithms of the sums of exponentials; null: not wanted
    int rows;
    int states;
    int head_dim;
    int number;
};
