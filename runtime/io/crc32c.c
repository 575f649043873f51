/* crc32c.c -- see crc32c.h.
 *
 * Bits are reflected: polynomial 0x82f63b78.  Four bits a look-up; records are
 * small, so a table of sixteen is fast enough.
 */
#include "runtime/io/crc32c.h"

static const uint32_t of_nibble[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t gf_crc32c(const void *data, size_t length)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ of_nibble[crc & 15];
        crc = crc >> 4 ^ of_nibble[crc & 15];
    }
    return ~crc;
}
