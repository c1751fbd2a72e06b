// SPDX-License-Identifier: Apache-2.0

import { useEffect, useRef, useState } from "preact/hooks";
import { parseCidr } from "../../net/cidr.ts";
import type { AddressCell, AddressMap, AddressRow, Fill } from "../../page/contract.ts";
import { ask, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectLink } from "../components/object-link.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { type Column, Table } from "../components/table.tsx";
import type { Texts } from "../messages/texts.ts";
import { COLUMNS, cellBits, cellByKey, cellPrefix, level, onlyUsedPart, trail } from "../model/address-map.ts";

/** The addresses of a subnet as a map that one zooms: each cell is a part of what is shown, and at the end one address. */
export function AddressMapCard({ subnet, fill }: { readonly subnet: string; readonly fill: readonly Fill[] }) {
  const { t } = wording.value;
  const { prefix: asked = "" } = route.value.query;
  const family = fill.find(({ cidr }) => trail(cidr, asked).at(-1) === asked) ?? fill[0];
  if (family === undefined) return null;
  const [whole = family.cidr] = trail(family.cidr, "");
  const steps = trail(family.cidr, asked);
  const prefix = steps.at(-1) ?? whole;
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("map.title")}</h2>
        <fieldset class="segments">
          <legend class="visually-hidden">{t("map.family")}</legend>
          {fill.map(({ family: name, cidr }) => (
            <button
              key={name}
              type="button"
              class="button"
              aria-pressed={name === family.family}
              onClick={() => ask({ prefix: trail(cidr, "")[0] ?? cidr })}
            >
              {name}
            </button>
          ))}
        </fieldset>
      </div>
      <div class="card-body stack">
        <nav aria-label={t("map.trail")}>
          <ol class="crumbs mono">
            {steps.map((step) => (
              <li key={step}>
                {step === prefix ? (
                  <span aria-current="true">{step}</span>
                ) : (
                  <button type="button" class="link-button" onClick={() => ask({ prefix: step })}>
                    {step}
                  </button>
                )}
              </li>
            ))}
          </ol>
        </nav>
        <MapOf key={prefix} subnet={subnet} prefix={prefix} parent={steps.at(-2)} />
      </div>
    </section>
  );
}

function MapOf({
  subnet,
  prefix,
  parent,
}: {
  readonly subnet: string;
  readonly prefix: string;
  readonly parent: string | undefined;
}) {
  const cidr = parseCidr(prefix);
  const bits = cidr === undefined ? undefined : String(cellBits(cidr));
  const url = apiUrl(`${apiPath("subnets", subnet)}/addresses`, { prefix, bits });
  const map = useResource<AddressMap>(url, ["addresses", "subnets", "pods"]);
  return (
    <Loaded from={map} lines={16}>
      {(data) => <MapGrid map={data} parent={parent} />}
    </Loaded>
  );
}

function MapGrid({ map, parent }: { readonly map: AddressMap; readonly parent: string | undefined }) {
  const { t } = wording.value;
  const [active, setActive] = useState(() => map.filled[0]?.index ?? 0);
  const grid = useRef<HTMLDivElement>(null);
  const moved = useRef(false);
  useEffect(() => {
    if (moved.current) grid.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    moved.current = false;
  }, [active]);
  const cells = new Map(map.filled.map((cell) => [cell.index, cell]));
  const addresses = new Map((map.addresses ?? []).map((address) => [address.index, address]));
  const isLast = map.cellSize === 1;
  const open = (index: number): void => {
    setActive(index);
    const prefix = cellPrefix(map, index);
    if (!isLast && prefix !== undefined) ask({ prefix });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if ((event.key === "Backspace" || event.key === "Escape") && parent !== undefined) {
      event.preventDefault();
      ask({ prefix: parent });
      return;
    }
    const next = cellByKey(event.key, active, map.cells);
    if (next === undefined) return;
    event.preventDefault();
    moved.current = true;
    setActive(next);
  };
  const rows = Array.from({ length: Math.ceil(map.cells / COLUMNS) }, (_, row) =>
    Array.from({ length: Math.min(COLUMNS, map.cells - row * COLUMNS) }, (_, column) => row * COLUMNS + column),
  );
  const only = onlyUsedPart(map);
  const shown = describe(wording.value, map, active, cells.get(active), addresses.get(active));
  return (
    <>
      <p class="small muted">
        {t(isLast ? "map.aboutAddresses" : "map.aboutParts", { n: map.cells })}{" "}
        {only !== undefined && (
          <button type="button" class="link-button" onClick={() => ask({ prefix: only })}>
            {t("map.only", { prefix: only })}
          </button>
        )}
      </p>
      <div class="map-and-text">
        <div
          class="map"
          role="grid"
          aria-label={t("map.grid", { prefix: map.prefix })}
          ref={grid}
          onKeyDown={onKeyDown}
        >
          {rows.map((row) => (
            <div key={row[0]} class="map-row" role="row">
              {row.map((index) => (
                <button
                  key={index}
                  type="button"
                  role="gridcell"
                  class={`cell ${look(map, cells.get(index), addresses.get(index))}`}
                  tabIndex={index === active ? 0 : -1}
                  aria-selected={index === active}
                  aria-label={describe(wording.value, map, index, cells.get(index), addresses.get(index))}
                  onClick={() => open(index)}
                  onMouseEnter={() => setActive(index)}
                  onFocus={() => setActive(index)}
                />
              ))}
            </div>
          ))}
        </div>
        <div class="stack">
          <p class="map-text">
            <strong class="mono">{cellPrefix(map, active)}</strong>
            <span class="block">{shown.slice(shown.indexOf(": ") + 2)}</span>
            {addresses.get(active)?.holder !== undefined && <Holder of={addresses.get(active)} />}
          </p>
          <Legend last={isLast} />
        </div>
      </div>
      {isLast && <Addresses of={map.addresses ?? []} />}
    </>
  );
}

function Holder({ of }: { readonly of: AddressRow | undefined }) {
  return of?.holder === undefined ? null : <ObjectLink of={of.holder} kind />;
}

function look(map: AddressMap, cell: AddressCell | undefined, address: AddressRow | undefined): string {
  if (address !== undefined) {
    return { used: "level-4", reserved: "reserved", excluded: "excluded", gateway: "gateway" }[address.state];
  }
  if (cell === undefined) return "";
  const { used, reserved, excluded } = cell;
  if (used === 0 && reserved > 0) return "reserved";
  if (used === 0 && excluded >= map.cellSize) return "excluded";
  return `level-${level(used, map.cellSize - excluded)}`;
}

function describe(
  { t, number }: Texts,
  map: AddressMap,
  index: number,
  cell: AddressCell | undefined,
  address: AddressRow | undefined,
): string {
  const place = cellPrefix(map, index) ?? "";
  if (map.cellSize === 1) {
    const holder = address?.holder;
    const name =
      holder === undefined
        ? ""
        : `${holder.kind} ${holder.namespace === undefined ? "" : `${holder.namespace}/`}${holder.name}`;
    const state = t(address === undefined ? "address.free" : `address.${address.state}`);
    return `${place}: ${name === "" ? state : `${state}, ${name}`}`;
  }
  const { used = 0, reserved = 0, excluded = 0 } = cell ?? {};
  const parts = {
    used: number(used),
    size: number(map.cellSize),
    reserved: number(reserved),
    excluded: number(excluded),
  };
  return `${place}: ${t(reserved + excluded === 0 ? "map.cell" : "map.cellMore", parts)}`;
}

function Legend({ last }: { readonly last: boolean }) {
  const { t } = wording.value;
  const items = last
    ? ([
        ["", "address.free"],
        ["level-4", "address.used"],
        ["reserved", "address.reserved"],
        ["excluded", "address.excluded"],
        ["gateway", "address.gateway"],
      ] as const)
    : ([
        ["", "map.empty"],
        ["level-1", "map.some"],
        ["level-3", "map.half"],
        ["level-5", "map.full"],
        ["reserved", "address.reserved"],
        ["excluded", "address.excluded"],
      ] as const);
  return (
    <ul class="legend" aria-label={t("map.legend")}>
      {items.map(([kind, text]) => (
        <li key={text}>
          <span class={`cell ${kind}`} aria-hidden="true" />
          {t(text)}
        </li>
      ))}
    </ul>
  );
}

function Addresses({ of }: { readonly of: readonly AddressRow[] }) {
  const { t } = wording.value;
  const columns: readonly Column<AddressRow>[] = [
    {
      key: "address",
      title: t("column.address"),
      class: "mono",
      by: ({ index }) => index,
      cell: ({ address }) => address,
    },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state }) => t(`address.${state}`),
    },
    {
      key: "holder",
      title: t("column.holder"),
      by: ({ holder }) => holder?.name ?? "",
      cell: ({ holder }) => holder !== undefined && <ObjectLink of={holder} kind />,
    },
    { key: "mac", title: t("column.mac"), class: "mono", cell: ({ mac }) => mac },
    { key: "node", title: t("column.node"), by: ({ node = "" }) => node, cell: ({ node }) => node },
  ];
  if (of.length === 0) return <Empty icon="subnets" title={t("map.allFree")} />;
  return (
    <div class="framed">
      <Table caption={t("map.table")} columns={columns} rows={of} keyOf={({ address }) => address} size={50} />
    </div>
  );
}
