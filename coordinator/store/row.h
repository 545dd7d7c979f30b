// SPDX-License-Identifier: Apache-2.0
// One row of a database's answer, by the places of its columns.
#pragma once

#include <cstdint>
#include <string>

namespace lwq::coordinator {

class Row {
 public:
  virtual ~Row() = default;
  virtual int64_t Integer(int column) const = 0;
  virtual std::string Text(int column) const = 0;  // "" for NULL
  virtual double Real(int column) const = 0;       // NaN for NULL
};

}  // namespace lwq::coordinator
