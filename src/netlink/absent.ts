// SPDX-License-Identifier: Apache-2.0

import { NetlinkError } from "./error.ts";

/** The result of `fn`, or `absent` if the kernel answers that the object does not exist. */
export function absentAs<T>(absent: T, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "not-found") return absent;
    throw error;
  }
}
