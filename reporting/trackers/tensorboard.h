// SPDX-License-Identifier: Apache-2.0
// A run as TensorBoard's event file: TFRecord frames (length and data, each with a masked CRC-32C) of Event messages.
//
// What both of TensorBoard's readers take alike: scalars as simple_value (float32), one file for a run, and steps that
// only rise, over all series together. The run's summary stands at step 0. Pure: equal runs, equal bytes.
#pragma once

#include <string>

#include "reporting/trackers/tracked_run.h"

namespace lwq::reporting {

// At FOLDER_OF_RUN/events.out.tfevents.SECONDS.lwq: written again it replaces itself.
TrackerFile TensorBoardEvents(const TrackedRun& run);

}  // namespace lwq::reporting
