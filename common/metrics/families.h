// SPDX-License-Identifier: Apache-2.0
// Metric families that are made when they are asked for, of numbers that are kept elsewhere. Values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"

namespace lwq {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

prometheus::MetricFamily GaugeFamily(std::string name, std::string help);
prometheus::MetricFamily CounterFamily(std::string name, std::string help);
// A series of the family, which is a gauge or a counter.
void AddSeries(prometheus::MetricFamily& family, const MetricLabels& labels, double value);

// Seconds from a tenth of a millisecond to a minute and more, for calls and disks; and from a tenth of a second to a
// day, for tasks.
std::vector<double> CallSecondsBuckets();
std::vector<double> TaskSecondsBuckets();

}  // namespace lwq
