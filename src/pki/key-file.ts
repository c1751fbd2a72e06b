// SPDX-License-Identifier: Apache-2.0

import { chmod, rename, writeFile } from "node:fs/promises";

/**
 * Replaces a file of certificates and keys atomically; only this user can read the new file, whatever the mode of the
 * former one.
 */
export async function writeKeyFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  await writeFile(temporary, text, { mode: 0o600 });
  // A file that an interrupted write left keeps its mode.
  await chmod(temporary, 0o600);
  await rename(temporary, path);
}
