/* crc32c.h -- the checksum of TensorBoard's records: CRC-32 with Castagnoli's polynomial. */
#ifndef GF_RUNTIME_IO_CRC32C_H
#define GF_RUNTIME_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Source: RFC 3720, section 12.1 and appendix B.4 (test vectors). */
uint32_t gf_crc32c(const void *data, size_t length);

#endif
