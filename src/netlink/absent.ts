// SPDX-License-Identifier: Apache-2.0

import { NetlinkError } from "./error.ts";

/** What `fn` gives, or `absent` if the kernel says that the thing is not there. */
export function absentAs<T>(absent: T, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "not-found") return absent;
    throw error;
  }
}
