// SPDX-License-Identifier: Apache-2.0

import { useEffect, useRef, useState } from "preact/hooks";
import type { FindAnswer, FindHit } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { apiUrl, request } from "../client/api.ts";
import { ApiProblem, type PageProblem } from "../model/problem.ts";
import { nameOf } from "./object-link.tsx";
import { Badge } from "./state.tsx";

/** After this long without a key, in ms, the server is asked. */
const QUIET_MS = 40;

interface Found {
  readonly text: string;
  readonly answer?: FindAnswer;
  readonly problem?: PageProblem;
}

/**
 * A field that finds objects by name or address (ARIA APG, combobox with a listbox). `onPick` returns what the field holds afterwards; `kinds`: only these are
 * offered. With `value` and `onText` the field is the caller's, and may hold a text that was not picked.
 */
export function FindField(props: {
  readonly id: string;
  readonly label: string;
  readonly placeholder?: string;
  readonly kinds?: readonly string[];
  readonly value?: string;
  readonly onText?: (text: string) => void;
  readonly onPick: (hit: FindHit) => string;
}) {
  const { id, label, placeholder, kinds, value, onText, onPick } = props;
  const { t } = wording.value;
  const [own, setOwn] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [found, setFound] = useState<Found | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);
  const text = value ?? own;
  const setText = (next: string): void => {
    setOwn(next);
    onText?.(next);
  };
  const asked = text.trim();
  useEffect(() => {
    if (!open || asked === "") return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      request<FindAnswer>(apiUrl("find", { q: asked }), { signal: stop.signal })
        .then((answer) => setFound({ text: asked, answer }))
        .catch((error: unknown) => {
          if (error instanceof ApiProblem) setFound({ text: asked, problem: error.problem });
          else if (!stop.signal.aborted) throw error;
        });
    }, QUIET_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [open, asked]);
  const hits = (found?.answer?.hits ?? []).filter(({ kind }) => kinds === undefined || kinds.includes(kind));
  const current = Math.min(active, hits.length - 1);
  const shown = open && asked !== "" && found !== undefined;
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [current, shown]);
  const pick = (hit: FindHit): void => {
    setText(onPick(hit));
    setOpen(false);
    setFound(undefined);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const hit = hits[current];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : hits.length - 1;
      if (hits.length > 0) setActive((current + step) % hits.length);
    } else if (event.key === "Enter" && shown && hit !== undefined) {
      event.preventDefault();
      pick(hit);
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  return (
    <div class="finder">
      <input
        id={id}
        class="input"
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={shown}
        aria-controls={`${id}-found`}
        aria-autocomplete="list"
        aria-activedescendant={shown && current >= 0 ? `${id}-${current}` : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
          setOpen(true);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setOpen(false)}
      />
      <div class="found" hidden={!shown}>
        <div id={`${id}-found`} role="listbox" aria-label={label} ref={list}>
          {hits.map((hit, index) => (
            <div
              key={`${hit.kind} ${nameOf(hit)} ${hit.detail}`}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === current}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => pick(hit)}
            >
              <span>{nameOf(hit)}</span>
              <Badge>{hit.kind}</Badge>
              {hit.detail !== "" && <span class="more">{hit.detail}</span>}
            </div>
          ))}
        </div>
        {shown && found?.problem !== undefined && <p>{t(`problem.${found.problem.code}`)}</p>}
        {shown && found?.answer !== undefined && hits.length === 0 && (
          <p>{t("search.nothing", { text: found.text })}</p>
        )}
        {shown && found?.answer?.more === true && <p>{t("search.more")}</p>}
      </div>
      <span class="visually-hidden" role="status">
        {shown && found?.answer !== undefined ? t("search.count", { n: hits.length }) : ""}
      </span>
    </div>
  );
}
