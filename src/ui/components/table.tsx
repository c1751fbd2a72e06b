// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { wording } from "../app/settings.ts";
import { type Order, ordered } from "../model/order.ts";

/** A column of a table. */
export interface Column<T> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  /** What it is sorted by; absent: it cannot be sorted by. */
  readonly by?: (row: T) => string | number;
  readonly class?: string;
}

/** Rows as a table; the first column names the row. */
export function Table<T>(props: {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** The key of the row whose details are shown. */
  readonly chosen?: string | undefined;
  /** How many rows at most; further ones are on further pages. */
  readonly size?: number;
}): JSX.Element {
  const { caption, columns, rows, keyOf, chosen, size = 100 } = props;
  const { t, compare } = wording.value;
  const [order, setOrder] = useState<Order | undefined>(undefined);
  const [asked, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(rows.length / size));
  const page = Math.min(asked, pages - 1);
  const by = columns.find(({ key }) => key === order?.key)?.by;
  const sorted = order === undefined || by === undefined ? rows : ordered(rows, by, order.descending, compare);
  const shown = sorted.slice(page * size, (page + 1) * size);
  return (
    <>
      <div class="table-wrap" tabIndex={0} role="region" aria-label={caption}>
        <table class="table">
          <caption class="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Head key={column.key} column={column} order={order} onOrder={setOrder} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => {
              const key = keyOf(row);
              return (
                <tr key={key} aria-current={key === chosen ? "true" : undefined}>
                  {columns.map(({ key: name, cell, class: kind }, index) =>
                    index === 0 ? (
                      <th key={name} scope="row" class={kind}>
                        {cell(row)}
                      </th>
                    ) : (
                      <td key={name} class={kind}>
                        {cell(row)}
                      </td>
                    ),
                  )}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <Pager
          text={t("table.page", { page: page + 1, pages })}
          previous={page > 0 ? () => setPage(page - 1) : undefined}
          next={page < pages - 1 ? () => setPage(page + 1) : undefined}
        />
      )}
    </>
  );
}

function Head<T>({
  column,
  order,
  onOrder,
}: {
  readonly column: Column<T>;
  readonly order: Order | undefined;
  readonly onOrder: (order: Order) => void;
}) {
  const { key, title, by, class: kind } = column;
  const now = order?.key === key ? (order.descending ? "descending" : "ascending") : undefined;
  return (
    <th scope="col" class={kind} aria-sort={now}>
      {by === undefined ? (
        title
      ) : (
        <button type="button" class="sort" onClick={() => onOrder({ key, descending: now === "ascending" })}>
          {title}
          <span aria-hidden="true">{now === undefined ? "↕" : now === "ascending" ? "↑" : "↓"}</span>
        </button>
      )}
    </th>
  );
}

/** Goes through the pages of a list. A direction that there is nothing in stays, so that the focus does. */
export function Pager({
  text,
  previous,
  next,
}: {
  readonly text: string;
  readonly previous: (() => void) | undefined;
  readonly next: (() => void) | undefined;
}) {
  const { t } = wording.value;
  return (
    <nav class="pager" aria-label={t("table.pages")}>
      <span role="status">{text}</span>
      <button type="button" class="button" aria-disabled={previous === undefined} onClick={previous}>
        {t("table.previous")}
      </button>
      <button type="button" class="button" aria-disabled={next === undefined} onClick={next}>
        {t("table.next")}
      </button>
    </nav>
  );
}
