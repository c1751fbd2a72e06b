// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";

/** The plugin answers at once or is broken. */
const DEADLINE_MS = 5_000;

/**
 * The versions of the CNI specification that another plugin supports, from its own answer (CNI SPEC 1.1 "VERSION");
 * undefined if the plugin does not exist or does not answer.
 */
export async function pluginVersions(path: string): Promise<readonly string[] | undefined> {
  const { promise, resolve } = Promise.withResolvers<readonly string[] | undefined>();
  const options = { env: { CNI_COMMAND: "VERSION" }, timeout: DEADLINE_MS, maxBuffer: 64 * 1024 };
  const child = execFile(path, options, (error, stdout) => resolve(error === null ? versionsIn(stdout) : undefined));
  // A plugin that exits without reading its input is detected by its answer.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end('{"cniVersion":"1.0.0"}');
  return await promise;
}

function versionsIn(text: string): readonly string[] | undefined {
  try {
    const versions = (JSON.parse(text) as { supportedVersions?: unknown } | null)?.supportedVersions;
    if (Array.isArray(versions) && versions.every((version) => typeof version === "string")) return versions;
  } catch {
    // The output is not a valid answer.
  }
  return undefined;
}
