// SPDX-License-Identifier: Apache-2.0
// The coordinator's API, typed from proto/lwqat/v1, in Protobuf over the Connect protocol. A token that the user gives is
// kept for the browser tab and goes with every call.
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { signal } from "@preact/signals";
import { RunService } from "./gen/lwqat/v1/run_service_pb.ts";
import { SweepService } from "./gen/lwqat/v1/sweep_service_pb.ts";

const TOKEN_KEY = "lwq-token";

// Set where the coordinator has said that it wants a token, or another one.
export const tokenWanted = signal("");
// How often a token was given: what failed without it is tried again.
export const tokenGiven = signal(0);

export function giveToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token.trim());
  tokenWanted.value = "";
  tokenGiven.value++;
}

const authorize: Interceptor = (next) => async (request) => {
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token) request.header.set("Authorization", `Bearer ${token}`);
  try {
    return await next(request);
  } catch (error) {
    noteRefusal(error);
    throw error;
  }
};

// A stream says it at its end, past the interceptor.
export function noteRefusal(error: unknown): void {
  if (error instanceof ConnectError && error.code === Code.Unauthenticated) tokenWanted.value = error.rawMessage;
}

const transport = createConnectTransport({
  // Relative to the page, so that it works under any path.
  baseUrl: new URL("api", document.baseURI).href,
  useBinaryFormat: true,
  interceptors: [authorize],
});

export const runs = createClient(RunService, transport);
export const sweeps = createClient(SweepService, transport);

// In the coordinator's own words.
export function messageOf(error: unknown): string {
  const connect = ConnectError.from(error);
  return connect.code === Code.Unknown || connect.rawMessage === "Failed to fetch"
    ? "the coordinator cannot be reached; trying again"
    : connect.rawMessage;
}
