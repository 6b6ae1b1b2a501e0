// A libcuda.so.1 without a device: memory is the heap, modules are the kernels of kernels/*.cu under shim.h, and work is
// put off until somebody waits for it, so that a host that does not wait, or frees what is still in use, is found.
//
// It fails on demand: FAKE_CUDA is a list of
//   no_device, old_driver, old_device, no_cubins, init=<code>, memory=<bytes>, fail=<function>:<call number>:<code>.
#include "shim.h"
#include "numbers.cuh"
#include "attend.cuh"
#include "attend_mma.cuh"
#include <functional>
#include <mutex>
#include <string>

namespace {
namespace f32 {
#include "attend_f32.cu"
}
#include "attend_bf16.cu"
#include "attend_f16.cu"
#include "attend_int8.cu"
#include "attend_fp8.cu"
#include "pages.cu"

using Result = int;
constexpr Result SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_IMAGE = 200, INVALID_CONTEXT = 201,
                 INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719;

template <class Params, void RUN(const Params)> void call(const void* params) { RUN(*(const Params*)params); }

struct Function {
    void (*run)(const void*);
    size_t bytes;
};

#define ATTEND(of, name) {#name, {call<AttendParams, of name>, sizeof(AttendParams)}}
#define DIMS(of, format) ATTEND(of, attend_##format##_64), ATTEND(of, attend_##format##_96), ATTEND(of, attend_##format##_128), ATTEND(of, attend_##format##_256)
#define WRITE(format) {"write_" #format, {call<WriteParams, write_##format>, sizeof(WriteParams)}}

const std::map<std::string, Function> functions = {
    DIMS(f32::, f32), DIMS(, bf16), DIMS(, f16), DIMS(, int8), DIMS(, fp8),
    WRITE(f32), WRITE(bf16), WRITE(f16), WRITE(int8), WRITE(fp8),
    {"copy_slots", {call<CopyParams, copy_slots>, sizeof(CopyParams)}},
    {"gather_blocks", {call<SwapParams, gather_blocks>, sizeof(SwapParams)}},
    {"scatter_blocks", {call<SwapParams, scatter_blocks>, sizeof(SwapParams)}},
    {"merge_states", {call<MergeParams, merge_states>, sizeof(MergeParams)}},
};

constexpr size_t ZONE = 256;
constexpr u8 MARK = 0xa5;

struct Fake {
    std::recursive_mutex lock;
    std::vector<std::function<Result()>> queue;
    std::map<u64, size_t> memory;      // device memory: address to bytes
    std::map<void*, size_t> host;
    std::map<std::string, long> calls;
    size_t used = 0;
    int modules = 0, streams = 0, events = 0, contexts = 0;
    Result sticky = SUCCESS;
};
Fake fake;
thread_local void* current = nullptr;

std::string setting(const char* name) {
    const char* all = getenv("FAKE_CUDA");
    std::string text = all ? all : "";
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find(',', at);
        std::string one = text.substr(at, end - at);
        size_t equals = one.find('=');
        if (one.substr(0, equals) == name) return equals == std::string::npos ? "1" : one.substr(equals + 1);
        if (end == std::string::npos) break;
        at = end + 1;
    }
    return "";
}

// Whether this call is the one that shall fail.
Result asked(const char* function) {
    std::string text = setting("fail");
    size_t a = text.find(':'), b = text.rfind(':');
    long call = ++fake.calls[function];
    if (text.empty() || text.substr(0, a) != function || call != atol(text.c_str() + a + 1)) return SUCCESS;
    Result code = atoi(text.c_str() + b + 1);
    if (code >= 700 && code < 800) fake.sticky = code;
    return code;
}

Result drain() {
    while (!fake.queue.empty() && !fake.sticky) {
        auto work = std::move(fake.queue.front());
        fake.queue.erase(fake.queue.begin());
        Result code = work();
        if (code) fake.sticky = code;
    }
    return fake.sticky;
}

#define ENTER(name) \
    std::lock_guard<std::recursive_mutex> guard(fake.lock); \
    if (fake.sticky) return fake.sticky; \
    if (Result code = asked(name)) return code
#define NEEDS_CONTEXT() if (!current) return INVALID_CONTEXT

// Whether these bytes lie in one allocation.
bool holds(u64 at, size_t bytes) {
    auto found = fake.memory.upper_bound(at);
    if (found == fake.memory.begin()) return false;
    --found;
    return at >= found->first && at + bytes <= found->first + found->second;
}

Result later(std::function<Result()> work) {
    fake.queue.push_back(std::move(work));
    return SUCCESS;
}
} // namespace

extern "C" {
Result cuInit(unsigned) {
    ENTER("cuInit");
    std::string code = setting("init");
    if (!code.empty()) return atoi(code.c_str());
    return setting("no_device").empty() ? SUCCESS : NO_DEVICE;
}
Result cuDriverGetVersion(int* version) {
    ENTER("cuDriverGetVersion");
    *version = setting("old_driver").empty() ? 12040 : 11080;
    return SUCCESS;
}
Result cuGetErrorName(Result code, const char** text) {
    *text = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : code == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : code == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OF_FAKE";
    return SUCCESS;
}
Result cuDeviceGetCount(int* count) { ENTER("cuDeviceGetCount"); *count = 1; return SUCCESS; }
Result cuDeviceGet(int* device, int ordinal) { ENTER("cuDeviceGet"); *device = ordinal; return ordinal == 0 ? SUCCESS : 101; }
Result cuDeviceGetName(char* name, int bytes, int) { ENTER("cuDeviceGetName"); snprintf(name, bytes, "Fake 9.0"); return SUCCESS; }
Result cuDeviceTotalMem_v2(size_t* bytes, int) { ENTER("cuDeviceTotalMem_v2"); *bytes = 1ull << 30; return SUCCESS; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    ENTER("cuDeviceGetAttribute");
    switch (attribute) {
        case 75: *value = setting("old_device").empty() ? 9 : 7; return SUCCESS;   // compute capability, major
        case 76: *value = setting("old_device").empty() ? 0 : 5; return SUCCESS;   // minor
        case 16: *value = 4; return SUCCESS;                                       // multiprocessors
        default: return INVALID_VALUE;
    }
}
Result cuDevicePrimaryCtxRetain(void** context, int) {
    ENTER("cuDevicePrimaryCtxRetain");
    fake.contexts++;
    *context = &fake;
    return SUCCESS;
}
Result cuDevicePrimaryCtxRelease_v2(int) { std::lock_guard<std::recursive_mutex> guard(fake.lock); fake.contexts--; return SUCCESS; }
Result cuCtxSetCurrent(void* context) { ENTER("cuCtxSetCurrent"); current = context; return SUCCESS; }
Result cuMemGetInfo_v2(size_t* free, size_t* total) {
    ENTER("cuMemGetInfo_v2");
    NEEDS_CONTEXT();
    std::string limit = setting("memory");
    *total = limit.empty() ? 1ull << 30 : strtoull(limit.c_str(), nullptr, 10);
    *free = *total - fake.used;
    return SUCCESS;
}
Result cuMemAlloc_v2(u64* at, size_t bytes) {
    ENTER("cuMemAlloc_v2");
    NEEDS_CONTEXT();
    size_t free, total;
    cuMemGetInfo_v2(&free, &total);
    if (bytes > free) return OUT_OF_MEMORY;
    u8* memory;
#if defined(__SANITIZE_ADDRESS__)
    memory = (u8*)aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!memory) return OUT_OF_MEMORY;
    memset(memory, 0xff, bytes);
#else
    memory = (u8*)aligned_alloc(256, (bytes + 255) / 256 * 256 + 2 * ZONE);
    if (!memory) return OUT_OF_MEMORY;
    memset(memory, MARK, (bytes + 255) / 256 * 256 + 2 * ZONE);
    memory += ZONE;
    memset(memory, 0xff, bytes);       // NaN in every format
#endif
    *at = (u64)memory;
    fake.memory[*at] = bytes;
    fake.used += bytes;
    return SUCCESS;
}
Result cuMemFree_v2(u64 at) {
    std::lock_guard<std::recursive_mutex> guard(fake.lock);
    drain();
    auto found = fake.memory.find(at);
    if (found == fake.memory.end()) return INVALID_VALUE;
    u8* memory = (u8*)at;
#if !defined(__SANITIZE_ADDRESS__)
    for (size_t i = 0; i < ZONE; i++)
        if (memory[-1 - (long)i] != MARK || memory[found->second + i] != MARK) { fprintf(stderr, "fake: written beside %zu bytes\n", found->second); abort(); }
    memory -= ZONE;
#endif
    free(memory);
    fake.used -= found->second;
    fake.memory.erase(found);
    return SUCCESS;
}
Result cuMemGetAddressRange_v2(u64* base, size_t* bytes, u64 at) {
    ENTER("cuMemGetAddressRange_v2");
    NEEDS_CONTEXT();
    auto found = fake.memory.upper_bound(at);
    if (found == fake.memory.begin() || at >= std::prev(found)->first + std::prev(found)->second) return 500;
    *base = std::prev(found)->first;
    *bytes = std::prev(found)->second;
    return SUCCESS;
}
#if !defined(WITHOUT_HOST_MEMORY)
Result cuMemHostAlloc(void** at, size_t bytes, unsigned flags) {
    ENTER("cuMemHostAlloc");
    NEEDS_CONTEXT();
    if (flags & 4) return INVALID_VALUE;   // write-combined: reading it takes for ever
    *at = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    fake.host[*at] = bytes;
    return SUCCESS;
}
#endif
Result cuMemFreeHost(void* at) {
    std::lock_guard<std::recursive_mutex> guard(fake.lock);
    drain();
    if (!fake.host.erase(at)) return INVALID_VALUE;
    free(at);
    return SUCCESS;
}
Result cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, void*) {
    ENTER("cuMemcpyHtoDAsync_v2");
    NEEDS_CONTEXT();
    if (!holds(to, bytes)) return INVALID_VALUE;
    return later([=] { memcpy((void*)to, from, bytes); return SUCCESS; });
}
Result cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void*) {
    ENTER("cuMemcpyDtoHAsync_v2");
    NEEDS_CONTEXT();
    if (!holds(from, bytes)) return INVALID_VALUE;
    return later([=] { memcpy(to, (const void*)from, bytes); return SUCCESS; });
}
Result cuMemsetD8Async(u64 at, u8 value, size_t bytes, void*) {
    ENTER("cuMemsetD8Async");
    NEEDS_CONTEXT();
    if (!holds(at, bytes)) return INVALID_VALUE;
    return later([=] { memset((void*)at, value, bytes); return SUCCESS; });
}
Result cuStreamCreate(void** stream, unsigned) { ENTER("cuStreamCreate"); NEEDS_CONTEXT(); fake.streams++; *stream = malloc(1); return SUCCESS; }
Result cuStreamDestroy_v2(void* stream) { std::lock_guard<std::recursive_mutex> guard(fake.lock); drain(); fake.streams--; free(stream); return SUCCESS; }
Result cuStreamSynchronize(void*) { ENTER("cuStreamSynchronize"); NEEDS_CONTEXT(); return drain(); }
Result cuStreamWaitEvent(void*, void*, unsigned) { ENTER("cuStreamWaitEvent"); NEEDS_CONTEXT(); return SUCCESS; }
Result cuEventCreate(void** event, unsigned) { ENTER("cuEventCreate"); NEEDS_CONTEXT(); fake.events++; *event = malloc(1); return SUCCESS; }
Result cuEventRecord(void*, void*) { ENTER("cuEventRecord"); NEEDS_CONTEXT(); return SUCCESS; }
Result cuEventSynchronize(void*) { ENTER("cuEventSynchronize"); return drain(); }
Result cuEventDestroy_v2(void* event) { std::lock_guard<std::recursive_mutex> guard(fake.lock); fake.events--; free(event); return SUCCESS; }
Result cuModuleLoadData(void** module, const void* image) {
    ENTER("cuModuleLoadData");
    NEEDS_CONTEXT();
    // A cubin is ELF; PTX is text and ends with a zero byte.
    bool cubin = !memcmp(image, "\x7f" "ELF", 4), text = strstr((const char*)image, ".version") != nullptr;
    if (!cubin && !text) return INVALID_IMAGE;
    if (cubin && !setting("no_cubins").empty()) return 209;
    fake.modules++;
    *module = malloc(1);
    return SUCCESS;
}
Result cuModuleUnload(void* module) { std::lock_guard<std::recursive_mutex> guard(fake.lock); drain(); fake.modules--; free(module); return SUCCESS; }
Result cuModuleGetFunction(void** function, void*, const char* name) {
    ENTER("cuModuleGetFunction");
    NEEDS_CONTEXT();
    auto found = functions.find(name);
    if (found == functions.end()) return NOT_FOUND;
    *function = (void*)&found->second;
    return SUCCESS;
}
Result cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void*, void** params, void**) {
    ENTER("cuLaunchKernel");
    NEEDS_CONTEXT();
    if (!gx || !gy || !gz || !bx || gy > 65535 || gz > 65535 || bx * by * bz > 1024 || shared) return INVALID_VALUE;
    const Function* of = (const Function*)function;
    std::vector<char> held((const char*)params[0], (const char*)params[0] + of->bytes);
    return later([=] { return shim::launch(of->run, held.data(), {gx, gy, gz}, {bx, by, bz}) ? SUCCESS : LAUNCH_FAILED; });
}

// What the tests ask: 0 device memory, 1 host memory, 2 modules, 3 streams, 4 events, 5 contexts, 6 bytes.
long fake_live(int what) {
    std::lock_guard<std::recursive_mutex> guard(fake.lock);
    switch (what) {
        case 0: return fake.memory.size();
        case 1: return fake.host.size();
        case 2: return fake.modules;
        case 3: return fake.streams;
        case 4: return fake.events;
        case 5: return fake.contexts;
        default: return fake.used;
    }
}
size_t fake_size_of(const char* kernel) { auto found = functions.find(kernel); return found == functions.end() ? 0 : found->second.bytes; }
}
