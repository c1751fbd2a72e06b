// SPDX-License-Identifier: Apache-2.0

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../components/icon.tsx";
import { wording } from "./settings.ts";
import { isTyping } from "./shortcuts.ts";

const KEYS = [
  ["/", "keys.find"],
  ["?", "keys.help"],
  ["Tab", "keys.tab"],
  ["← ↑ → ↓", "keys.arrows"],
  ["Enter", "keys.enter"],
  ["Esc", "keys.escape"],
] as const;

/** The keys that the page knows, by a button or `?`. */
export function KeysDialog() {
  const { t } = wording.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "?" && !isTyping(event)) dialog.current?.showModal();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button
        type="button"
        class="icon-button wide-only"
        aria-label={t("keys.title")}
        title={t("keys.title")}
        onClick={() => dialog.current?.showModal()}
      >
        <Icon name="keyboard" />
      </button>
      <dialog ref={dialog} class="dialog" aria-labelledby="keys-title">
        <div class="pane-head">
          <h2 id="keys-title">{t("keys.title")}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label={t("action.close")}
            onClick={() => dialog.current?.close()}
          >
            <Icon name="close" />
          </button>
        </div>
        <dl class="facts card-body">
          {KEYS.map(([key, what]) => (
            <div key={key} class="contents">
              <dt>
                <kbd class="key">{key}</kbd>
              </dt>
              <dd>{t(what)}</dd>
            </div>
          ))}
        </dl>
      </dialog>
    </>
  );
}
