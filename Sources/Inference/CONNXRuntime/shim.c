#include "CONNXRuntime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The version of the table that is asked for: the oldest that has every entry used here.
enum { API_VERSION = 15 };

// Positions in the table.
enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_EXECUTION_MODE = 13,
    ENABLE_MEMORY_PATTERN = 16,
    DISABLE_MEMORY_PATTERN = 17,
    ENABLE_ARENA = 18,
    DISABLE_ARENA = 19,
    SET_GRAPH_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    SET_INTER_OP_THREADS = 25,
    SESSION_INPUT_COUNT = 30,
    SESSION_OUTPUT_COUNT = 31,
    SESSION_INPUT_TYPE = 33,
    SESSION_OUTPUT_TYPE = 34,
    SESSION_INPUT_NAME = 36,
    SESSION_OUTPUT_NAME = 37,
    CREATE_TENSOR = 48,
    CREATE_TENSOR_WITH_DATA = 49,
    TENSOR_DATA = 51,
    STRINGS_BYTES = 53,
    STRINGS_CONTENT = 54,
    CAST_TO_TENSOR_INFO = 55,
    TENSOR_ELEMENT_TYPE = 60,
    DIMENSIONS_COUNT = 61,
    DIMENSIONS = 62,
    ELEMENT_COUNT = 64,
    VALUE_TENSOR_INFO = 65,
    CREATE_CPU_MEMORY_INFO = 69,
    ALLOCATOR_FREE = 76,
    DEFAULT_ALLOCATOR = 78,
    RELEASE_STATUS = 93,
    RELEASE_SESSION = 95,
    RELEASE_VALUE = 96,
    RELEASE_TYPE_INFO = 98,
    RELEASE_TENSOR_INFO = 99,
    RELEASE_SESSION_OPTIONS = 100,
    ADD_CONFIG_ENTRY = 130,
    STRING_BUFFER = 252,
};

typedef void *status;

struct slipway_ort {
    void *const *table;
    void *environment;
    void *memory;
    void *allocator;
};

typedef struct {
    char *name;
    int32_t type;
    size_t rank;
    int64_t *shape;
} port;

struct slipway_ort_session {
    slipway_ort *library;
    void *session;
    size_t counts[2];
    port *ports[2];
};

#define CALL(library, position, type) ((type)(library)->table[position])

static char *message_of(const slipway_ort *library, status failure) {
    if (!failure) return NULL;
    const char *text = CALL(library, GET_ERROR_MESSAGE, const char *(*)(status))(failure);
    char *copy = strdup(text ? text : "unknown failure");
    CALL(library, RELEASE_STATUS, void (*)(status))(failure);
    return copy;
}

char *slipway_ort_open(const char *path, slipway_ort **out) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        return strdup(reason ? reason : "dlopen failed");
    }
    typedef struct {
        void *const *(*table)(uint32_t);
        const char *(*version)(void);
    } base;
    const base *(*get_base)(void) = (const base *(*)(void))dlsym(handle, "OrtGetApiBase");
    if (!get_base) {
        dlclose(handle);
        return strdup("the library has no OrtGetApiBase: it is not ONNX Runtime");
    }
    slipway_ort *library = calloc(1, sizeof *library);
    library->table = get_base()->table(API_VERSION);
    if (!library->table) {
        free(library);
        dlclose(handle);
        return strdup("the library is older than ONNX Runtime 1.15");
    }
    // 4: only fatal messages; every failure comes back as a status anyway.
    char *failure = message_of(library, CALL(library, CREATE_ENV, status (*)(int, const char *, void **))(
                                            4, "slipway", &library->environment));
    // 1, 0: arena allocator, default memory.
    if (!failure) {
        failure = message_of(library, CALL(library, CREATE_CPU_MEMORY_INFO, status (*)(int, int, void **))(
                                          1, 0, &library->memory));
    }
    if (!failure) {
        failure = message_of(library, CALL(library, DEFAULT_ALLOCATOR, status (*)(void **))(&library->allocator));
    }
    if (failure) {
        free(library);
        return failure;
    }
    *out = library;
    return NULL;
}

static char *read_tensor_info(
    const slipway_ort *library, const void *info, int32_t *type, int64_t **shape, size_t *rank) {
    int element = 0;
    char *failure = message_of(library, CALL(library, TENSOR_ELEMENT_TYPE, status (*)(const void *, int *))(info, &element));
    if (failure) return failure;
    failure = message_of(library, CALL(library, DIMENSIONS_COUNT, status (*)(const void *, size_t *))(info, rank));
    if (failure) return failure;
    *type = element;
    *shape = calloc(*rank ? *rank : 1, sizeof **shape);
    return message_of(
        library, CALL(library, DIMENSIONS, status (*)(const void *, int64_t *, size_t))(info, *shape, *rank));
}

static char *read_port(slipway_ort_session *session, int32_t is_output, size_t index) {
    const slipway_ort *library = session->library;
    port *place = &session->ports[is_output][index];
    char *name = NULL;
    char *failure = message_of(
        library, CALL(library, is_output ? SESSION_OUTPUT_NAME : SESSION_INPUT_NAME,
                      status (*)(const void *, size_t, void *, char **))(session->session, index, library->allocator, &name));
    if (failure) return failure;
    place->name = strdup(name);
    failure = message_of(library, CALL(library, ALLOCATOR_FREE, status (*)(void *, void *))(library->allocator, name));
    if (failure) return failure;
    void *type = NULL;
    failure = message_of(
        library, CALL(library, is_output ? SESSION_OUTPUT_TYPE : SESSION_INPUT_TYPE,
                      status (*)(const void *, size_t, void **))(session->session, index, &type));
    if (failure) return failure;
    const void *info = NULL;
    failure = message_of(library, CALL(library, CAST_TO_TENSOR_INFO, status (*)(const void *, const void **))(type, &info));
    if (!failure && info) failure = read_tensor_info(library, info, &place->type, &place->shape, &place->rank);
    CALL(library, RELEASE_TYPE_INFO, void (*)(void *))(type);
    return failure;
}

static char *read_ports(slipway_ort_session *session, int32_t is_output) {
    const slipway_ort *library = session->library;
    size_t count = 0;
    char *failure = message_of(
        library, CALL(library, is_output ? SESSION_OUTPUT_COUNT : SESSION_INPUT_COUNT,
                      status (*)(const void *, size_t *))(session->session, &count));
    if (failure) return failure;
    session->ports[is_output] = calloc(count ? count : 1, sizeof(port));
    session->counts[is_output] = count;
    for (size_t index = 0; index < count && !failure; index++) failure = read_port(session, is_output, index);
    return failure;
}

static char *set_number(const slipway_ort *library, int position, void *options, int32_t value) {
    return message_of(library, CALL(library, position, status (*)(void *, int))(options, value));
}

static char *set_switch(const slipway_ort *library, int position, void *options) {
    return message_of(library, CALL(library, position, status (*)(void *))(options));
}

static char *set_entry(const slipway_ort *library, void *options, const char *key, const char *value) {
    return message_of(
        library, CALL(library, ADD_CONFIG_ENTRY, status (*)(void *, const char *, const char *))(options, key, value));
}

static char *configure(const slipway_ort *library, void *options, const slipway_ort_options *wanted) {
    char *failure = set_number(library, SET_GRAPH_OPTIMIZATION_LEVEL, options, wanted->graph_optimization);
    if (!failure) failure = set_number(library, SET_INTRA_OP_THREADS, options, wanted->intra_op_threads);
    if (!failure) failure = set_number(library, SET_INTER_OP_THREADS, options, wanted->inter_op_threads);
    if (!failure) failure = set_number(library, SET_EXECUTION_MODE, options, wanted->runs_in_parallel ? 1 : 0);
    if (!failure) failure = set_switch(library, wanted->keeps_arena ? ENABLE_ARENA : DISABLE_ARENA, options);
    if (!failure) {
        failure = set_switch(library, wanted->uses_memory_pattern ? ENABLE_MEMORY_PATTERN : DISABLE_MEMORY_PATTERN, options);
    }
    // Spinning threads would burn the cores that other sessions need. An entry of the caller's own wins.
    if (!failure) failure = set_entry(library, options, "session.intra_op.allow_spinning", "0");
    for (size_t index = 0; index < wanted->entry_count && !failure; index++) {
        failure = set_entry(library, options, wanted->entry_keys[index], wanted->entry_values[index]);
    }
    return failure;
}

char *slipway_ort_session_open(
    slipway_ort *library, const char *path, const slipway_ort_options *wanted, slipway_ort_session **out) {
    void *options = NULL;
    char *failure = message_of(library, CALL(library, CREATE_SESSION_OPTIONS, status (*)(void **))(&options));
    if (failure) return failure;
    failure = configure(library, options, wanted);
    void *opened = NULL;
    if (!failure) {
        failure = message_of(library, CALL(library, CREATE_SESSION, status (*)(void *, const char *, void *, void **))(
                                          library->environment, path, options, &opened));
    }
    CALL(library, RELEASE_SESSION_OPTIONS, void (*)(void *))(options);
    if (failure) return failure;
    slipway_ort_session *session = calloc(1, sizeof *session);
    session->library = library;
    session->session = opened;
    failure = read_ports(session, 0);
    if (!failure) failure = read_ports(session, 1);
    if (failure) {
        slipway_ort_session_close(session);
        return failure;
    }
    *out = session;
    return NULL;
}

void slipway_ort_session_close(slipway_ort_session *session) {
    for (int side = 0; side < 2; side++) {
        for (size_t index = 0; session->ports[side] && index < session->counts[side]; index++) {
            free(session->ports[side][index].name);
            free(session->ports[side][index].shape);
        }
        free(session->ports[side]);
    }
    CALL(session->library, RELEASE_SESSION, void (*)(void *))(session->session);
    free(session);
}

size_t slipway_ort_count(const slipway_ort_session *session, int32_t is_output) { return session->counts[is_output]; }

const char *slipway_ort_name(const slipway_ort_session *session, int32_t is_output, size_t index) {
    return session->ports[is_output][index].name;
}

int32_t slipway_ort_type(const slipway_ort_session *session, int32_t is_output, size_t index) {
    return session->ports[is_output][index].type;
}

const int64_t *slipway_ort_shape(const slipway_ort_session *session, int32_t is_output, size_t index, size_t *rank) {
    *rank = session->ports[is_output][index].rank;
    return session->ports[is_output][index].shape;
}

static char *make_input(const slipway_ort *library, const slipway_ort_tensor *tensor, void **value) {
    if (!tensor->strings) {
        return message_of(
            library,
            CALL(library, CREATE_TENSOR_WITH_DATA,
                 status (*)(const void *, void *, size_t, const int64_t *, size_t, int, void **))(
                library->memory, tensor->data, tensor->bytes, tensor->shape, tensor->rank, tensor->element_type, value));
    }
    char *failure = message_of(
        library, CALL(library, CREATE_TENSOR, status (*)(void *, const int64_t *, size_t, int, void **))(
                     library->allocator, tensor->shape, tensor->rank, tensor->element_type, value));
    const char *next = tensor->strings;
    for (size_t index = 0; !failure && index < tensor->string_count; index++) {
        size_t bytes = tensor->string_bytes[index];
        char *place = NULL;
        failure = message_of(library, CALL(library, STRING_BUFFER, status (*)(void *, size_t, size_t, char **))(
                                          *value, index, bytes, &place));
        if (!failure && bytes > 0) memcpy(place, next, bytes);
        next += bytes;
    }
    return failure;
}

// Graphs with more inputs or outputs than this are refused: the arrays below live on the stack.
enum { PORTS_MAX = 256 };

char *slipway_ort_run(
    slipway_ort_session *session,
    const slipway_ort_tensor *inputs, size_t input_count,
    const char *const *output_names, size_t output_count,
    slipway_ort_value **outputs) {
    const slipway_ort *library = session->library;
    if (input_count > PORTS_MAX || output_count > PORTS_MAX) return strdup("more than 256 inputs or outputs");
    const char *names[PORTS_MAX];
    void *values[PORTS_MAX] = {0};
    char *failure = NULL;
    for (size_t index = 0; index < input_count && !failure; index++) {
        names[index] = inputs[index].name;
        failure = make_input(library, &inputs[index], &values[index]);
    }
    for (size_t index = 0; index < output_count; index++) outputs[index] = NULL;
    if (!failure) {
        failure = message_of(
            library,
            CALL(library, RUN,
                 status (*)(void *, const void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **))(
                session->session, NULL, names, values, input_count, output_names, output_count, (void **)outputs));
    }
    for (size_t index = 0; index < input_count; index++) {
        if (values[index]) CALL(library, RELEASE_VALUE, void (*)(void *))(values[index]);
    }
    return failure;
}

char *slipway_ort_value_info(
    const slipway_ort *library, slipway_ort_value *value,
    int32_t *element_type, int64_t *shape, size_t rank_max, size_t *rank, size_t *elements) {
    void *info = NULL;
    char *failure = message_of(library, CALL(library, VALUE_TENSOR_INFO, status (*)(const void *, void **))(value, &info));
    if (failure) return failure;
    int element = 0;
    failure = message_of(library, CALL(library, TENSOR_ELEMENT_TYPE, status (*)(const void *, int *))(info, &element));
    if (!failure) failure = message_of(library, CALL(library, DIMENSIONS_COUNT, status (*)(const void *, size_t *))(info, rank));
    if (!failure && *rank > rank_max) failure = strdup("an output has too many dimensions");
    if (!failure) failure = message_of(library, CALL(library, DIMENSIONS, status (*)(const void *, int64_t *, size_t))(info, shape, *rank));
    if (!failure) failure = message_of(library, CALL(library, ELEMENT_COUNT, status (*)(const void *, size_t *))(info, elements));
    *element_type = element;
    CALL(library, RELEASE_TENSOR_INFO, void (*)(void *))(info);
    return failure;
}

char *slipway_ort_value_data(const slipway_ort *library, slipway_ort_value *value, void **data) {
    return message_of(library, CALL(library, TENSOR_DATA, status (*)(void *, void **))(value, data));
}

char *slipway_ort_value_strings_bytes(const slipway_ort *library, slipway_ort_value *value, size_t *bytes) {
    return message_of(library, CALL(library, STRINGS_BYTES, status (*)(const void *, size_t *))(value, bytes));
}

char *slipway_ort_value_strings(
    const slipway_ort *library, slipway_ort_value *value, void *bytes, size_t byte_count,
    size_t *offsets, size_t element_count) {
    return message_of(library, CALL(library, STRINGS_CONTENT, status (*)(const void *, void *, size_t, size_t *, size_t))(
                                   value, bytes, byte_count, offsets, element_count));
}

void slipway_ort_value_close(const slipway_ort *library, slipway_ort_value *value) {
    if (value) CALL(library, RELEASE_VALUE, void (*)(void *))(value);
}
