// SPDX-License-Identifier: Apache-2.0

import type { Edge } from "../desired/fragment.ts";

/** A set of rows and edges that may differ from the database and are to be compared with it. */
export class Touched {
  /** row uuid → table. */
  readonly rows = new Map<string, string>();
  /** holder, column and member → edge. */
  readonly edges = new Map<string, Edge>();

  get size(): number {
    return this.rows.size + this.edges.size;
  }

  row(table: string, uuid: string): void {
    this.rows.set(uuid, table);
  }

  edge(edge: Edge): void {
    this.edges.set(`${edge.row}\0${edge.column}\0${edge.member}`, edge);
  }

  /** Adds all that `other` holds. */
  merge(other: Touched): this {
    for (const [uuid, table] of other.rows) this.rows.set(uuid, table);
    for (const [key, edge] of other.edges) this.edges.set(key, edge);
    return this;
  }
}
