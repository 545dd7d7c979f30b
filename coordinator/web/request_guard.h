// SPDX-License-Identifier: Apache-2.0
// What a browser may be made to send on behalf of a page that is not ours. Pure; thread-safe.
//
// Every call of the API is a POST with a content type that another page's script may not send without being asked about
// it first, which is answered with no. What remains: a page whose host name is made to mean this machine (DNS
// rebinding) talks to a coordinator on loopback that asks nobody for a token. Such a one answers only to loopback's own
// names.
#pragma once

#include <string_view>

#include "common/status/status.h"

namespace lwq::coordinator {

// Of a request's headers Host and Sec-Fetch-Site; "" where it has none. PERMISSION_DENIED.
Status CheckOrigin(std::string_view host, std::string_view fetch_site, bool only_loopback_names);

}  // namespace lwq::coordinator
