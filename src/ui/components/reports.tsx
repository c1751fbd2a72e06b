// SPDX-License-Identifier: Apache-2.0

import { useEffect, useState } from "preact/hooks";
import type { ConditionRow, EventRow, Health, ShownProblem } from "../../page/contract.ts";
import { formatTime } from "../../time/rfc3339.ts";
import { wording } from "../app/settings.ts";
import type { Tone } from "../model/tone.ts";
import { ObjectLink } from "./object-link.tsx";
import { State } from "./state.tsx";

/** The tone of a health. */
export const TONES: Readonly<Record<Health, Tone>> = { ok: "ok", warning: "warn", error: "bad", unknown: "off" };

/** A health as a word, with the reason where there is one. */
export function HealthState({ state, problem }: { readonly state: Health; readonly problem?: string | undefined }) {
  return (
    <span>
      <State tone={TONES[state]}>{wording.value.t(`health.${state}`)}</State>
      {problem !== undefined && problem !== "" && (
        <span class="small muted block" lang="en">
          {problem}
        </span>
      )}
    </span>
  );
}

/** The time now, in ms since 1970; renders again each 30 s. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** How long ago something was, with its time for those who ask. */
export function Ago({ at }: { readonly at: number }) {
  const { ago, dateTime } = wording.value;
  return (
    <time class="nowrap" dateTime={isoOf(at)} title={dateTime(at)}>
      {ago(at, useNow())}
    </time>
  );
}

function isoOf(ms: number): string {
  return Number.isNaN(new Date(ms).getTime()) ? "" : formatTime(ms);
}

/** What needs a hand, the worst first, as the server sorts it. `about`: whether to name the objects. */
export function Problems({ of, about = true }: { readonly of: readonly ShownProblem[]; readonly about?: boolean }) {
  const { t } = wording.value;
  return (
    <ul class="needs">
      {of.map((problem, index) => (
        <li key={`${index} ${problem.reason} ${problem.about.name}`}>
          <span class="mark">
            <State tone={problem.severity === "error" ? "bad" : "warn"}>
              <span class="visually-hidden">{t(`severity.${problem.severity}`)}</span>
            </State>
          </span>
          <div>
            {about && (
              <p class="what">
                <ObjectLink of={problem.about} kind />
              </p>
            )}
            <p lang="en">{problem.message}</p>
            <p class="small muted">
              <span class="mono">{problem.reason}</span> · {t(`source.${problem.source}`)}
            </p>
          </div>
          {problem.since !== undefined && (
            <span class="small muted">
              <Ago at={problem.since} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Conditions of an object. */
export function Conditions({ of }: { readonly of: readonly ConditionRow[] }) {
  const { t } = wording.value;
  if (of.length === 0) return <p class="muted">{t("conditions.none")}</p>;
  return (
    <ul class="lines">
      {of.map(({ type, status, reason, message, since }) => (
        <li key={type}>
          <State tone={status === "True" ? "ok" : status === "False" ? "bad" : "off"}>
            {type}: {status}
          </State>
          <span class="small muted block" lang="en">
            {[reason, message].filter((text) => text !== "").join(": ")}
          </span>
          {since !== undefined && (
            <span class="small muted">
              <Ago at={since} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Events about an object. */
export function Events({ of }: { readonly of: readonly EventRow[] }) {
  const { t } = wording.value;
  if (of.length === 0) return <p class="muted">{t("events.none")}</p>;
  return (
    <ul class="lines">
      {of.map(({ type, reason, message, last, count }) => (
        <li key={`${reason} ${last} ${message}`}>
          <State tone={type === "Warning" ? "warn" : "off"}>
            <span class="mono">{reason}</span>
          </State>
          <span class="small muted">
            {" "}
            · <Ago at={last} />
            {count > 1 && ` · ${t("events.times", { n: count })}`}
          </span>
          <span class="block" lang="en">
            {message}
          </span>
        </li>
      ))}
    </ul>
  );
}
