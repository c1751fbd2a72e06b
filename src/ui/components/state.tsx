// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from "preact";
import { wording } from "../app/settings.ts";
import { toneOfFill } from "../model/fill.ts";
import type { Tone } from "../model/tone.ts";
import { Icon, type IconName } from "./icon.tsx";

const MARKS: Readonly<Record<Tone, IconName>> = { ok: "ok", warn: "warn", bad: "bad", off: "unknown" };

/** A state: a mark of its own shape, and a word. */
export function State({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <span class={`state ${tone}`}>
      <Icon name={MARKS[tone]} size={15} />
      <span>{children}</span>
    </span>
  );
}

/** A short word on a coloured ground. */
export function Badge({ tone = "off", children }: { readonly tone?: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** The used part of something, as a bar with its number. `share`: from 0 to 1. */
export function Fill({ share, label }: { readonly share: number; readonly label: string }) {
  const part = Math.min(1, Math.max(0, share));
  // What is used at all is seen.
  const width = part === 0 ? 0 : Math.max(1, part * 100);
  return (
    <span class={`fill ${toneOfFill(part)}`}>
      <svg class="fill-bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={label}>
        <rect class="track" width="100" height="8" />
        <rect class="used" width={width} height="8" />
      </svg>
      <span class="fill-text">{wording.value.percent(part)}</span>
    </span>
  );
}
