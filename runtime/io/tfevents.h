/* tfevents.h -- TensorBoard's event files: scalars and texts over steps.
 *
 * A file is a row of records:
 *
 *   u64 length    u32 masked crc32c of it    bytes    u32 masked crc32c of them
 *
 * little-endian, mask = rotr(crc, 15) + 0xa282ead8.  The bytes are an Event in
 * protobuf's encoding:
 *
 *   Event    wall_time = 1 double, step = 2 int64, file_version = 3 string, summary = 5, session_log = 7
 *   Summary  value = 1, repeated
 *   Value    tag = 1, simple_value = 2 float, tensor = 8, metadata = 9
 *   SessionLog  status = 1: START = 1
 *
 * The first record's file_version is "brain.Event:2".  Every call writes whole
 * records at once: a reader that follows the file never waits for the rest.
 * Source: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.
 */
#ifndef GF_RUNTIME_IO_TFEVENTS_H
#define GF_RUNTIME_IO_TFEVENTS_H

#include "ir/diag.h"

typedef struct GfTfScalar {
    const char *tag;
    double value; /* written as float */
} GfTfScalar;

typedef struct GfTfEvents {
    GfArena arena; /* of `path` */
    const char *path;
    int descriptor; /* -1: not open */
} GfTfEvents;

/* Make the folder, and in it a file events.out.tfevents.SECONDS.HOST.PID.N of its own,
 * whose name sorts behind those that are there: readers take a folder's files in that
 * order.  On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_tfevents_open(GfTfEvents *events, const char *folder, GfDiags *diags);

/* `wall_time` in seconds since 1970.  Errors: GF_ERR_IO. */
GfStatus gf_tfevents_scalars(GfTfEvents *events, double wall_time, int64_t step, const GfTfScalar *scalars,
                             size_t count, GfDiags *diags);

/* A text for TensorBoard's page of texts, which shows it as Markdown. */
GfStatus gf_tfevents_text(GfTfEvents *events, double wall_time, int64_t step, const char *tag, const char *text,
                          GfDiags *diags);

/* Whatever the folder's files have of `step` and later steps counts no more: the training
 * begins there again. */
GfStatus gf_tfevents_restart(GfTfEvents *events, double wall_time, int64_t step, GfDiags *diags);

GfStatus gf_tfevents_close(GfTfEvents *events, GfDiags *diags);

/* SECONDS of the newest event file in a folder; -1: there is none.  Errors: GF_ERR_IO. */
GfStatus gf_tfevents_newest(const char *folder, int64_t *seconds, GfDiags *diags);

/* ---- the bytes alone ---- */

void gf_tfevents_add_record(GfText *out, const void *bytes, size_t length);
void gf_tfevents_add_version(GfText *out, double wall_time);
void gf_tfevents_add_restart(GfText *out, double wall_time, int64_t step);
void gf_tfevents_add_scalars(GfText *out, double wall_time, int64_t step, const GfTfScalar *scalars, size_t count);
void gf_tfevents_add_text(GfText *out, double wall_time, int64_t step, const char *tag, const char *text);

#endif
