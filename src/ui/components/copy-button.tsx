// SPDX-License-Identifier: Apache-2.0

import { useState } from "preact/hooks";
import { wording } from "../app/settings.ts";

/** Copies a text to the clipboard; where the browser does not let it (no TLS), it says so. */
export function CopyButton({ text }: { readonly text: string }) {
  const { t } = wording.value;
  const [state, setState] = useState<"copy" | "copied" | "refused">("copy");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setState("copied");
    } catch {
      setState("refused");
    }
  };
  return (
    <div class="row">
      <button type="button" class="button" onClick={() => void copy()}>
        {t("copy.copy")}
      </button>
      <span class="small muted" role="status">
        {state === "copy" ? "" : t(`copy.${state}`)}
      </span>
    </div>
  );
}
