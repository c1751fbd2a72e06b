// SPDX-License-Identifier: Apache-2.0

import { constants } from "node:os";

/**
 * Errors by what a caller can do about them:
 *
 * - `not-found`: the interface, address, route, neighbour or rule does not exist
 * - `exists`: the object already exists (and the call was not an `ensure*`)
 * - `permission`: the process lacks a capability (CAP_NET_ADMIN; CAP_SYS_ADMIN to enter a namespace)
 * - `no-netns`: the path does not exist, or is no longer a network namespace
 * - `busy`: the object is in use by the kernel
 * - `invalid`: the kernel rejected the values, or they were rejected before sending (then `errno` is undefined)
 * - `unsupported`: this kernel lacks the feature
 * - `unreachable`: the gateway is not on a connected network
 * - `down`: the interface or its network is down
 * - `no-memory`: no memory, buffer or table space
 * - `interrupted`: a dump kept changing while it was read
 * - `protocol`: a malformed reply, or no reply
 * - `closed`: a socket or a namespace scope was used after it was closed
 * - `system`: any other errno
 */
export type NetlinkErrorCode =
  | "not-found"
  | "exists"
  | "permission"
  | "no-netns"
  | "busy"
  | "invalid"
  | "unsupported"
  | "unreachable"
  | "down"
  | "no-memory"
  | "interrupted"
  | "protocol"
  | "closed"
  | "system";

/** The error of this folder. `operation` names the message or system call ("RTM_NEWROUTE", "setns"). */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly code: NetlinkErrorCode;
  readonly operation: string;
  /** The positive errno(3) the kernel answered with; `undefined` if the error was detected before sending or in the reply. */
  readonly errno: number | undefined;

  constructor(
    code: NetlinkErrorCode,
    operation: string,
    detail: string,
    options: { readonly errno?: number; readonly cause?: unknown } = {},
  ) {
    super(`${operation}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.operation = operation;
    this.errno = options.errno;
  }
}

/** errno number → name ("ENODEV"). If two names share a number, the first is used (EAGAIN, not EWOULDBLOCK). */
const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) if (!NAMES.has(number)) NAMES.set(number, name);

/** errno name → code; all others are `system`. */
const CODES: Readonly<Record<string, NetlinkErrorCode>> = {
  ENODEV: "not-found",
  ENOENT: "not-found",
  ESRCH: "not-found",
  ENXIO: "not-found",
  EADDRNOTAVAIL: "not-found",
  EEXIST: "exists",
  EADDRINUSE: "exists",
  EPERM: "permission",
  EACCES: "permission",
  EROFS: "permission",
  EBUSY: "busy",
  EAGAIN: "busy",
  EINVAL: "invalid",
  ERANGE: "invalid",
  EMSGSIZE: "invalid",
  ENAMETOOLONG: "invalid",
  EOPNOTSUPP: "unsupported",
  ENOTSUP: "unsupported",
  EPROTONOSUPPORT: "unsupported",
  EAFNOSUPPORT: "unsupported",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "down",
  ENOMEM: "no-memory",
  ENOBUFS: "no-memory",
  ENOSPC: "no-memory",
};

/** The error for an errno. `detail` is the kernel's message (extended ACK), if present. */
export function errorFromErrno(operation: string, errno: number, detail?: string, cause?: unknown): NetlinkError {
  const name = NAMES.get(errno) ?? `errno ${errno}`;
  const text = detail === undefined || detail === "" ? name : `${detail} (${name})`;
  return new NetlinkError(CODES[name] ?? "system", operation, text, { errno, cause });
}

/** The error for an exception of a `node:fs` call, which becomes its cause. */
export function errorFromFs(operation: string, thrown: unknown): NetlinkError {
  const errno = thrown instanceof Error && "errno" in thrown && typeof thrown.errno === "number" ? -thrown.errno : 0;
  if (errno <= 0) return new NetlinkError("system", operation, String(thrown), { cause: thrown });
  return errorFromErrno(operation, errno, undefined, thrown);
}

/** An argument that is rejected before anything is sent. */
export function invalidArgument(operation: string, detail: string): NetlinkError {
  return new NetlinkError("invalid", operation, detail);
}

/** A malformed message from the kernel. */
export function malformed(what: string, detail: string): NetlinkError {
  return new NetlinkError("protocol", what, detail);
}
