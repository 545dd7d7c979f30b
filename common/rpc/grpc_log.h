// SPDX-License-Identifier: Apache-2.0
// What gRPC itself has to say, which by default it writes to standard error in a form of its own. Call once, by main or
// before the first channel.
#pragma once

namespace lwq {

// To the log, as warnings and errors; a failed handshake, which any stranger can cause, only as information.
void SendGrpcLogToSpdlog();
// Nowhere, and no line of the log either: for programs whose output is for people.
void SilenceLogs();

}  // namespace lwq
