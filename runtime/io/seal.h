/* seal.h -- the checksums of a folder's files, by which damage is recognized.
 *
 *   checksums.json   {"files": {"model.safetensors": {"bytes": 90864, "crc32": "9b2f01aa"}, ...}}
 *
 * CRC-32 as zlib has it: against disks and cut copies, not against malice.
 */
#ifndef GF_RUNTIME_IO_SEAL_H
#define GF_RUNTIME_IO_SEAL_H

#include "ir/diag.h"

/* Write checksums.json over all other files of `folder`; brought to the disk with the folder. */
GfStatus gf_seal_write(const char *folder, GfDiags *diags);

/* Errors: GF_ERR_FORMAT, at the file: one is missing, or of another size or checksum;
 * GF_ERR_IO there are no checksums; those of JSON. */
GfStatus gf_seal_check(const char *folder, GfDiags *diags);

#endif
