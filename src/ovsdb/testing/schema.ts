// SPDX-License-Identifier: Apache-2.0

import type { DatabaseSchema } from "../schema.ts";

/** A switch: a root row with ports of its own. */
export interface TestSwitchRow {
  readonly name: string;
  readonly ports: readonly string[];
  readonly groups: readonly string[];
  readonly ids: Readonly<Record<string, string>>;
  readonly queues: Readonly<Record<string, number>>;
  readonly mode: "fast" | "slow" | undefined;
  readonly generation: number;
}

/** A port: garbage when no switch references it. */
export interface TestPortRow {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly up: boolean | undefined;
  readonly tag: number | undefined;
  readonly load: number;
}

/** A group: its ports may be deleted at any time. */
export interface TestGroupRow {
  readonly name: string;
  readonly ports: readonly string[];
  readonly leader: string | undefined;
}

/** Tables of {@link TEST}. */
export interface TestTables {
  readonly Switch: TestSwitchRow;
  readonly Port: TestPortRow;
  readonly Group: TestGroupRow;
}

const UNLIMITED = Number.POSITIVE_INFINITY;

/** A small database with every kind of column and reference, for tests with real and fake servers. */
export const TEST: DatabaseSchema<TestTables> = {
  name: "Test",
  version: "1.0.0",
  tables: {
    Switch: {
      isRoot: true,
      indexes: [["name"]],
      columns: {
        name: { key: { type: "string" }, min: 1, max: 1 },
        ports: { key: { type: "uuid", refTable: "Port", refType: "strong" }, min: 0, max: UNLIMITED },
        groups: { key: { type: "uuid", refTable: "Group", refType: "weak" }, min: 0, max: UNLIMITED },
        ids: { key: { type: "string" }, value: { type: "string" }, min: 0, max: UNLIMITED },
        queues: { key: { type: "integer" }, value: { type: "integer" }, min: 0, max: UNLIMITED },
        mode: { key: { type: "string", enum: ["fast", "slow"] }, min: 0, max: 1 },
        generation: { key: { type: "integer", minInteger: 0, maxInteger: 1_000_000 }, min: 1, max: 1 },
      },
    },
    Port: {
      isRoot: false,
      indexes: [["name"]],
      columns: {
        name: { key: { type: "string" }, min: 1, max: 1 },
        addresses: { key: { type: "string" }, min: 0, max: UNLIMITED },
        up: { key: { type: "boolean" }, min: 0, max: 1 },
        tag: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 1 },
        load: { key: { type: "real" }, min: 1, max: 1 },
      },
    },
    Group: {
      isRoot: true,
      indexes: [],
      columns: {
        name: { key: { type: "string" }, min: 1, max: 1 },
        ports: { key: { type: "uuid", refTable: "Port", refType: "weak" }, min: 0, max: UNLIMITED },
        leader: { key: { type: "uuid", refTable: "Port", refType: "weak" }, min: 0, max: 1 },
      },
    },
  },
};
