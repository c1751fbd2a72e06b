import type { Condition } from "./condition.ts";
import type { ColumnName, TableName } from "./schema.ts";

/** What to mirror of one table: all columns, some columns, or some columns of the rows that meet a condition. */
export type TableSelection<Row> =
  | "all"
  | readonly ColumnName<Row>[]
  | {
      readonly columns: "all" | readonly ColumnName<Row>[];
      /**
       * Rows that meet **any** of these conditions (ovsdb-server(7) §4.1.12 joins the conditions of a monitor by "or", whereas
       * those of an operation are joined by "and"). Conditions may name columns that are not selected.
       */
      readonly whereAny: readonly Condition<Row>[];
    };

/** What to mirror of a database. Tables that are not named are not mirrored. */
export type Selection<Tables> = { readonly [Table in TableName<Tables>]?: TableSelection<Tables[Table]> };

type SelectedRow<Row, Asked> = Asked extends "all"
  ? Row
  : Asked extends readonly (infer Column)[]
    ? Pick<Row, Column & keyof Row>
    : Asked extends { readonly columns: infer Columns }
      ? SelectedRow<Row, Columns>
      : never;

/** The tables of a mirror, each with the selected columns only: reading a column that is not mirrored does not compile. */
export type Selected<Tables, Asked> = {
  readonly [Table in keyof Asked & keyof Tables]: SelectedRow<Tables[Table], Asked[Table]>;
};
