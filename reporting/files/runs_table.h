// SPDX-License-Identifier: Apache-2.0
// A row a run: what CSV, Parquet and the page's last table have. Pure.
#pragma once

#include "reporting/files/data_table.h"
#include "reporting/sweep/sweep_report.h"

namespace lwq::reporting {

// Columns: run_id, name, arm, state, error, model, method; label_AXIS for each label of any run; average_bits,
// group_size, stored_bits_per_weight, size_bytes, steps, wall_seconds, device_seconds, tasks, tasks_reused; "METRIC
// DATASET" for each column measured; result_digest. What a run has not is absent.
DataTable RunsTable(const SweepRuns& sweep, const SweepReport& report);

}  // namespace lwq::reporting
