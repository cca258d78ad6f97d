/* A CUDA driver for machines without a GPU: "device" memory is host memory, and work given to a
 * stream is put off until somebody waits for it, so that a missing wait gives wrong numbers. Only
 * what engines/cuda*.py calls. Built by stand_in_gpu.py as libcuda.so.1. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
typedef unsigned long long CUdeviceptr;
typedef void (*host_function)(void *);
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_CONTEXT = 201, INVALID_HANDLE = 400 };

typedef struct event { int done; double time; struct stream *stream; } event;
typedef struct work { void *to; const void *from; size_t bytes; host_function call; void *data; event *event; } work;
typedef struct list { work *items; size_t count; } list;
typedef struct stream { list waiting; list captured; int capturing; } stream;

static int initialized, live;
static double now;
static __thread void *current;
static int the_context;

int stand_in_live(void) { return live; }

static int is_full(size_t bytes) {
    const char *most = getenv("STAND_IN_MEMORY");
    return most && bytes > strtoull(most, NULL, 10);
}
static void *made(size_t bytes) { live++; return calloc(1, bytes ? bytes : 1); }
static void gone(void *thing) { live--; free(thing); }

static void add(list *to, work item) {
    to->items = realloc(to->items, (to->count + 1) * sizeof(work));
    to->items[to->count++] = item;
}

static void perform(work *item) {
    now += 0.25;
    if (item->event) { item->event->done = 1; item->event->time = now; }
    else if (item->call) item->call(item->data);
    else memcpy(item->to, item->from, item->bytes);
}

static void perform_all(stream *s) {
    for (size_t i = 0; i < s->waiting.count; i++) perform(&s->waiting.items[i]);
    s->waiting.count = 0;
}

static CUresult give(stream *s, work item) {
    if (!current) return NO_CONTEXT;
    add(s->capturing ? &s->captured : &s->waiting, item);
    return OK;
}

CUresult cuInit(unsigned flags) { (void)flags; initialized = 1; return OK; }
CUresult cuDriverGetVersion(int *version) { *version = 13000; return OK; }
CUresult cuDeviceGetCount(int *count) {
    const char *wanted = getenv("STAND_IN_GPUS");
    *count = wanted ? atoi(wanted) : 1;
    return initialized ? OK : NOT_INITIALIZED;
}
CUresult cuDeviceGet(int *device, int ordinal) { *device = ordinal; return initialized ? OK : NOT_INITIALIZED; }
CUresult cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    snprintf(name, length, "Stand-in GPU");
    return OK;
}
CUresult cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 8 : attribute == 76 ? 9 : 0; /* compute capability 8.9 */
    return OK;
}
CUresult cuDeviceComputeCapability(int *major, int *minor, int device) {
    (void)device;
    *major = 8, *minor = 9;
    return OK;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = (size_t)8 << 30; return OK; }

CUresult cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = &the_context; return OK; }
CUresult cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return OK; }
CUresult cuCtxSetCurrent(void *context) { current = context; return OK; }
CUresult cuCtxGetCurrent(void **context) { *context = current; return OK; }
CUresult cuCtxPushCurrent_v2(void *context) { current = context; return OK; }
CUresult cuCtxPopCurrent_v2(void **context) { if (context) *context = current; current = NULL; return OK; }
CUresult cuCtxGetDevice(int *device) { *device = 0; return current ? OK : NO_CONTEXT; }
CUresult cuCtxGetApiVersion(void *context, unsigned *version) { (void)context; *version = 3020; return OK; }
CUresult cuCtxSynchronize(void) { return OK; }
CUresult cuCtxDetach(void *context) { (void)context; return OK; }

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    if (!current) return NO_CONTEXT;
    if (is_full(bytes)) return OUT_OF_MEMORY;
    *address = (CUdeviceptr)made(bytes);
    return OK;
}
CUresult cuMemFree_v2(CUdeviceptr address) { gone((void *)address); return OK; }
CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    (void)flags;
    if (!current) return NO_CONTEXT;
    *address = made(bytes);
    return OK;
}
CUresult cuMemAllocHost_v2(void **address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }
CUresult cuMemFreeHost(void *address) { gone(address); return OK; }
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, stream *s) {
    return give(s, (work){(void *)to, from, bytes, NULL, NULL, NULL});
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, stream *s) {
    return give(s, (work){to, (const void *)from, bytes, NULL, NULL, NULL});
}
CUresult cuLaunchHostFunc(stream *s, host_function call, void *data) {
    return give(s, (work){NULL, NULL, 0, call, data, NULL});
}

CUresult cuStreamCreate(stream **s, unsigned flags) {
    (void)flags;
    if (!current) return NO_CONTEXT;
    *s = made(sizeof(stream));
    return OK;
}
CUresult cuStreamDestroy_v2(stream *s) {
    perform_all(s);
    free(s->waiting.items), free(s->captured.items), gone(s);
    return OK;
}
CUresult cuStreamSynchronize(stream *s) {
    if (s->capturing) return 900;
    perform_all(s);
    return OK;
}

CUresult cuEventCreate(event **e, unsigned flags) {
    (void)flags;
    if (!current) return NO_CONTEXT;
    *e = made(sizeof(event));
    return OK;
}
CUresult cuEventDestroy_v2(event *e) { gone(e); return OK; }
CUresult cuEventRecord(event *e, stream *s) {
    e->done = 0, e->stream = s;
    return give(s, (work){NULL, NULL, 0, NULL, NULL, e});
}
CUresult cuEventSynchronize(event *e) {
    if (!e->done && e->stream) perform_all(e->stream);
    return e->done ? OK : INVALID_HANDLE;
}
CUresult cuEventElapsedTime_v2(float *ms, event *start, event *end) {
    *ms = (float)(end->time - start->time);
    return start->done && end->done ? OK : INVALID_HANDLE;
}
CUresult cuEventElapsedTime(float *ms, event *start, event *end) { return cuEventElapsedTime_v2(ms, start, end); }

CUresult cuStreamBeginCapture_v2(stream *s, int mode) {
    (void)mode;
    if (s->capturing || s->waiting.count) return INVALID_VALUE;
    s->capturing = 1, s->captured = (list){NULL, 0};
    return getenv("STAND_IN_NO_GRAPHS") ? (s->capturing = 0, 801) : OK;
}
CUresult cuStreamEndCapture(stream *s, list **graph) {
    if (!s->capturing) return INVALID_VALUE;
    *graph = made(sizeof(list));
    **graph = s->captured;
    s->capturing = 0, s->captured = (list){NULL, 0};
    return OK;
}
CUresult cuGraphInstantiateWithFlags(list **executable, list *graph, unsigned long long flags) {
    (void)flags;
    *executable = made(sizeof(list));
    for (size_t i = 0; i < graph->count; i++) add(*executable, graph->items[i]);
    return OK;
}
CUresult cuGraphLaunch(list *executable, stream *s) {
    if (!current) return NO_CONTEXT;
    for (size_t i = 0; i < executable->count; i++) add(&s->waiting, executable->items[i]);
    return OK;
}
CUresult cuGraphDestroy(list *graph) { free(graph->items), gone(graph); return OK; }
CUresult cuGraphExecDestroy(list *executable) { free(executable->items), gone(executable); return OK; }

CUresult cuGetErrorString(CUresult error, const char **words) {
    *words = error == OUT_OF_MEMORY ? "out of memory"
           : error == NO_CONTEXT ? "invalid device context"
           : error == 801        ? "operation not supported"
           : error == 900        ? "operation not permitted when stream is capturing"
                                 : "an error of the stand-in driver";
    return OK;
}
CUresult cuGetErrorName(CUresult error, const char **name) { (void)error; *name = "CUDA_ERROR"; return OK; }

CUresult cuGetProcAddress_v2(const char *symbol, void **address, int version, unsigned long long flags, int *status) {
    char name[128];
    const char *endings[] = {"_v2", ""};
    (void)version, (void)flags;
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", symbol, endings[i]);
        if (i == 0 && strcmp(symbol, "cuGetProcAddress") == 0) *address = (void *)cuGetProcAddress_v2;
        else *address = dlsym(RTLD_DEFAULT, name);
        if (*address) break;
    }
    if (status) *status = *address ? 0 : 1;
    return *address ? OK : 500;
}
CUresult cuGetProcAddress(const char *symbol, void **address, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(symbol, address, version, flags, NULL);
}
