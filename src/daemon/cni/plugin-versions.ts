// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";

/** The plugin answers at once or is broken. */
const DEADLINE_MS = 5_000;

/**
 * The versions of the CNI specification that another plugin speaks, as itself says (CNI SPEC 1.1 "VERSION"); undefined where it is not there or
 * gives no answer.
 */
export async function pluginVersions(path: string): Promise<readonly string[] | undefined> {
  const { promise, resolve } = Promise.withResolvers<readonly string[] | undefined>();
  const options = { env: { CNI_COMMAND: "VERSION" }, timeout: DEADLINE_MS, maxBuffer: 64 * 1024 };
  const child = execFile(path, options, (error, stdout) => resolve(error === null ? versionsIn(stdout) : undefined));
  // One that ends without having read is seen by its answer.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end('{"cniVersion":"1.0.0"}');
  return await promise;
}

function versionsIn(text: string): readonly string[] | undefined {
  try {
    const versions = (JSON.parse(text) as { supportedVersions?: unknown } | null)?.supportedVersions;
    if (Array.isArray(versions) && versions.every((version) => typeof version === "string")) return versions;
  } catch {
    // Not an answer.
  }
  return undefined;
}
