// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { wording } from "../app/settings.ts";
import { Icon } from "./icon.tsx";

/**
 * The details of a chosen object, beside the list that it was chosen from. The focus goes to its heading, and with Escape or its button back to where it
 * came from. `label`: what changes when another object is chosen.
 */
export function Pane({
  kind,
  label,
  onClose,
  children,
}: {
  readonly kind: string;
  readonly label: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  const from = useRef<Element | null>(null);
  useEffect(() => {
    from.current = document.activeElement;
    heading.current?.focus();
  }, [label]);
  const close = (): void => {
    onClose();
    if (from.current instanceof HTMLElement && from.current.isConnected) from.current.focus();
    else document.querySelector<HTMLElement>("h1")?.focus();
  };
  return (
    <section
      class="card pane"
      aria-label={`${kind} ${label}`}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <div class="pane-head">
        <div>
          <p class="kind">{kind}</p>
          <h2 ref={heading} tabIndex={-1}>
            {label}
          </h2>
        </div>
        <button type="button" class="icon-button" aria-label={wording.value.t("action.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="card-body stack">{children}</div>
    </section>
  );
}

/** Names and values; those without a value are left out. */
export function Facts({ of }: { readonly of: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  const given = of.filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return (
    <dl class="facts">
      {given.map(([name, value]) => (
        <div key={name} class="contents">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A part of a pane with a heading of its own. */
export function Section({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="section">
      <h3>{title}</h3>
      {children}
    </section>
  );
}
