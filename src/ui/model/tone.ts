// SPDX-License-Identifier: Apache-2.0

/** How good something is. */
export type Tone = "ok" | "warn" | "bad" | "off";
