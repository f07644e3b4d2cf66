/// The few calls of ONNX Runtime that Slipway makes, on a library that is opened at run time.
///
/// ONNX Runtime's C API is a table of functions whose order never changes: new entries come at the end
/// (https://onnxruntime.ai/docs/reference/compatibility.html). This shim knows the positions it uses and
/// needs no header of theirs. Every function that can fail answers NULL or a message that the caller
/// frees with `free`.
#ifndef SLIPWAY_ONNXRUNTIME_H
#define SLIPWAY_ONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// An opened library with its one environment; lives as long as the process.
typedef struct slipway_ort slipway_ort;
typedef struct slipway_ort_session slipway_ort_session;
/// A value that a run made, owned by whoever holds it.
typedef struct slipway_ort_value slipway_ort_value;

/// A tensor that goes in: memory of the caller, used in place.
typedef struct {
    const char *name;
    int32_t element_type;
    const int64_t *shape;
    size_t rank;
    void *data;
    size_t bytes;
    /// For string tensors instead of `data`: the elements' bytes one after another, and how many each has.
    const char *strings;
    const size_t *string_bytes;
    size_t string_count;
} slipway_ort_tensor;

char *slipway_ort_open(const char *path, slipway_ort **library);

/// How a session is opened.
typedef struct {
    /// 0: as many as there are cores.
    int32_t intra_op_threads;
    int32_t inter_op_threads;
    /// ONNX Runtime's numbers: 0 none, 1 basic, 2 extended, 99 all.
    int32_t graph_optimization;
    int32_t keeps_arena;
    int32_t uses_memory_pattern;
    int32_t runs_in_parallel;
    /// Session configuration entries.
    const char *const *entry_keys;
    const char *const *entry_values;
    size_t entry_count;
} slipway_ort_options;

char *slipway_ort_session_open(
    slipway_ort *library, const char *path, const slipway_ort_options *options, slipway_ort_session **session);
void slipway_ort_session_close(slipway_ort_session *session);

size_t slipway_ort_count(const slipway_ort_session *session, int32_t is_output);
/// Name (freed with the session), type and shape (-1 for a dimension of any size) of one input or output.
/// `element_type` is 0 when it is not a tensor.
const char *slipway_ort_name(const slipway_ort_session *session, int32_t is_output, size_t index);
int32_t slipway_ort_type(const slipway_ort_session *session, int32_t is_output, size_t index);
const int64_t *slipway_ort_shape(
    const slipway_ort_session *session, int32_t is_output, size_t index, size_t *rank);

/// Runs the graph on this thread. `outputs` gets `output_count` values.
char *slipway_ort_run(
    slipway_ort_session *session,
    const slipway_ort_tensor *inputs, size_t input_count,
    const char *const *output_names, size_t output_count,
    slipway_ort_value **outputs);

/// Type and shape of a value; `shape` has room for `rank_max` dimensions.
char *slipway_ort_value_info(
    const slipway_ort *library, slipway_ort_value *value,
    int32_t *element_type, int64_t *shape, size_t rank_max, size_t *rank, size_t *elements);
char *slipway_ort_value_data(const slipway_ort *library, slipway_ort_value *value, void **data);
/// The bytes of all elements of a string tensor, one after another; `offsets` has one entry an element.
char *slipway_ort_value_strings_bytes(const slipway_ort *library, slipway_ort_value *value, size_t *bytes);
char *slipway_ort_value_strings(
    const slipway_ort *library, slipway_ort_value *value, void *bytes, size_t byte_count,
    size_t *offsets, size_t element_count);
void slipway_ort_value_close(const slipway_ort *library, slipway_ort_value *value);

#ifdef __cplusplus
}
#endif

#endif
