// SPDX-License-Identifier: Apache-2.0

import { type FSWatcher, watch } from "node:fs";

/**
 * Calls `listener` whenever the file of that name may have been created, deleted or changed, by inotify(7) on its
 * folder.
 * @param onFailure the folder cannot be watched (any longer), for example because the node has no inotify watches
 * left; `listener` is not called after that.
 */
export function watchFile(
  folder: string,
  name: string,
  listener: () => void,
  onFailure: (error: Error) => void,
): { close(): void } {
  try {
    const watcher: FSWatcher = watch(folder, (_event, file) => {
      if (file === null || file === name) listener();
    });
    watcher.on("error", (error) => {
      watcher.close();
      onFailure(error);
    });
    return watcher;
  } catch (error) {
    onFailure(error instanceof Error ? error : new Error(String(error)));
    return { close: () => undefined };
  }
}
