// SPDX-License-Identifier: Apache-2.0

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChangedKind, Me, Page } from "../../page/contract.ts";
import { ask, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import type { IconName } from "../components/icon.tsx";
import { NamespaceSelect } from "../components/namespace-select.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";

/** Rows of a page. */
const LIMIT = 100;
/** After this long without a key, in ms, the server is asked. */
const QUIET_MS = 20;

/** A list that the server filters and divides into pages. */
export function PagedList<T>(props: {
  /** Path under `api/v1/`: `pods`. */
  readonly path: string;
  readonly me: Me;
  readonly kinds: readonly ChangedKind[];
  readonly caption: string;
  readonly icon: IconName;
  readonly placeholder: string;
  readonly columns: readonly Column<T>[];
  readonly keyOf: (row: T) => string;
  readonly chosen: string | undefined;
}): JSX.Element {
  const { path, me, kinds, caption, icon, placeholder, columns, keyOf, chosen } = props;
  const { t } = wording.value;
  const { q = "", namespace = "", subnet = "", node = "" } = route.value.query;
  // The parameters `continue` of the pages before this one.
  const [before, setBefore] = useState<readonly string[]>([]);
  const filter = [q, namespace, subnet, node].join("\n");
  const lastFilter = useRef(filter);
  const pages = lastFilter.current === filter ? before : [];
  useEffect(() => {
    lastFilter.current = filter;
    setBefore([]);
  }, [filter]);
  const query = { query: q, namespace, subnet, node, limit: String(LIMIT), continue: pages.at(-1) };
  const list = useLatest(useResource<Page<T>>(apiUrl(path, query), kinds));
  return (
    <section class="card">
      <div class="toolbar">
        <FilterField label={placeholder} />
        <NamespaceSelect me={me} value={namespace} />
        {subnet !== "" && <FilterChip name="subnet" value={subnet} />}
        {node !== "" && <FilterChip name="node" value={node} />}
        <span class="count" role="status">
          {list.data !== undefined && t("table.shown", { shown: list.data.items.length, n: list.data.total })}
        </span>
      </div>
      <Loaded from={list} lines={14}>
        {({ items, total, continue: next }) =>
          items.length === 0 ? (
            <Empty icon={icon} title={t("filter.nothing")}>
              {filter.trim() === "" ? undefined : t("filter.nothing.why")}
            </Empty>
          ) : (
            <>
              <Table
                caption={caption}
                columns={items.length < total ? columns.map(unsorted) : columns}
                rows={items}
                keyOf={keyOf}
                chosen={chosen}
                size={LIMIT}
              />
              {(pages.length > 0 || next !== undefined) && (
                <Pager
                  text={t("table.page", { page: pages.length + 1, pages: Math.max(1, Math.ceil(total / LIMIT)) })}
                  previous={pages.length > 0 ? () => setBefore(pages.slice(0, -1)) : undefined}
                  next={next === undefined ? undefined : () => setBefore([...pages, next])}
                />
              )}
            </>
          )
        }
      </Loaded>
    </section>
  );
}

/** A part of a list is in the order of the whole. */
function unsorted<T>({ key, title, cell, class: kind }: Column<T>): Column<T> {
  return { key, title, cell, ...(kind !== undefined && { class: kind }) };
}

/** While another page or filter is read the rows before it stay, so that nothing jumps. */
function useLatest<T extends { readonly data?: unknown; readonly problem?: unknown }>(resource: T): T {
  const last = useRef(resource);
  if (resource.data !== undefined || resource.problem !== undefined) last.current = resource;
  return resource.data === undefined && resource.problem === undefined ? last.current : resource;
}

/** Filters by the part `q` of the address. */
export function FilterField({ label }: { readonly label: string }) {
  const { q = "" } = route.value.query;
  const [typed, setTyped] = useState(q);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setTyped(q), [q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <input
      class="input"
      type="search"
      aria-label={label}
      placeholder={label}
      spellcheck={false}
      value={typed}
      onInput={(event) => {
        const { value } = event.currentTarget;
        setTyped(value);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => ask({ q: value }), QUIET_MS);
      }}
    />
  );
}

function FilterChip({ name, value }: { readonly name: "subnet" | "node"; readonly value: string }) {
  const { t } = wording.value;
  return (
    <button type="button" class="button" onClick={() => ask({ [name]: "" })}>
      {t(`filter.${name}`, { name: value })}
      <span aria-hidden="true">×</span>
      <span class="visually-hidden">{t("filter.remove")}</span>
    </button>
  );
}
