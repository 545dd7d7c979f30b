// SPDX-License-Identifier: Apache-2.0
// A seeded low-discrepancy sequence: points that fill the unit cube more evenly than random ones.
//
// Sobol's sequence (I. M. Sobol', 1967) with the direction numbers of S. Joe and F. Y. Kuo, "Constructing Sobol
// sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008), in the order of Gray codes, as
// Boost.Random has it; scrambled by A. B. Owen's nested uniform scrambling ("Randomly permuted (t,m,s)-nets and
// (t,s)-sequences", 1995): each binary digit is flipped or not by a random bit that belongs to the digits before it. A
// scrambled point is uniform in the cube, and any first 2^m points remain a net: in each dimension every interval of
// length 2^−m holds exactly one. Point 0 is kept, whose loss would break the net (A. B. Owen, "On dropping the first
// Sobol' point", 2020).
//
// A point is a function of (seed, index) alone: a sweep that was killed goes on with the points it would have had, and
// one that is made longer keeps those it has. Pure; thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lwq::search {

// Each coordinate in [0, 1). Requires 1 to kMaxParameters (search_space.h) dimensions.
std::vector<double> ScrambledSobolPoint(uint64_t seed, uint32_t index, size_t dimensions);

// The point before scrambling, as multiples of 2^−32.
std::vector<uint32_t> SobolDigits(uint32_t index, size_t dimensions);

}  // namespace lwq::search
