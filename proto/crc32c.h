/* crc32c.h - CRC32C (Castagnoli), by instruction where the machine has it.
 * Pure.  Source: design 10. */
#ifndef ZABLINE_PROTO_CRC32C_H
#define ZABLINE_PROTO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc32c returns the CRC32C of buf; crc32c("123456789", 9) is 0xe3069283. */
uint32_t crc32c(const void *buf, size_t len);

/* crc32c_extend continues a CRC that crc32c or crc32c_extend returned. */
uint32_t crc32c_extend(uint32_t crc, const void *buf, size_t len);

#endif
