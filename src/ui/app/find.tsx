// SPDX-License-Identifier: Apache-2.0

import { useEffect, useRef } from "preact/hooks";
import type { FindHit } from "../../page/contract.ts";
import { FindField } from "../components/find-field.tsx";
import { viewUrl } from "../components/object-link.tsx";
import { wording } from "./settings.ts";
import { isTyping } from "./shortcuts.ts";

/** The search of the bar: leads to what is found. `/` goes to it. */
export function Find() {
  const { t } = wording.value;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "/" || isTyping(event)) return;
      event.preventDefault();
      const field = place.current?.querySelector("input");
      field?.focus();
      field?.select();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const onPick = (hit: FindHit): string => {
    const address = viewUrl(hit);
    if (address !== undefined) location.hash = address;
    return "";
  };
  return (
    <div class="search" role="search" ref={place}>
      <FindField id="find" label={t("search.label")} placeholder={t("search.placeholder")} onPick={onPick} />
      <span class="key" aria-hidden="true">
        /
      </span>
    </div>
  );
}
