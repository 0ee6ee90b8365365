#include <stddef.h>
#include <stdint.h>

uint32_t crc(const unsigned char *bytes, size_t count) {
    uint32_t value = 0xFFFFFFFF;
    for (size_t at = 0; at < count; at++) {
        value ^= bytes[at];
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0xEDB88320 : 0);
    }
    return ~value;
}
