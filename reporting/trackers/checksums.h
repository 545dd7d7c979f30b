// SPDX-License-Identifier: Apache-2.0
// Checksums of framed files. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace lwq::reporting {

// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected), of RFC 3720, appendix B.4.
uint32_t Crc32c(std::string_view bytes);
// As TFRecord stores it: rotated right by 15 bits and shifted by a constant, so that a checksum of checksums is none.
uint32_t MaskedCrc32c(std::string_view bytes);
// CRC-32 of IEEE 802.3, zlib's.
uint32_t Crc32(std::string_view bytes);

}  // namespace lwq::reporting
