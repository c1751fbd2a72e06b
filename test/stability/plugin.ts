// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";

/** An error in a task, at a path relative to the checked value. */
export interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The parsed options of a plugin. */
export type Configured<B> =
  | { readonly ok: true; readonly value: B }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** A kind of context, scenario, runner, …, that tasks name. `B` is the plugin bound to its options, which the rest of the run uses. */
export interface Plugin<B> {
  /** Its name in tasks. */
  readonly name: string;
  /** One line for `npm run stability -- plugins`. */
  readonly summary: string;
  readonly options: z.ZodType;
  /** Checks the options that a task gives (null: none) and binds them. */
  configure(options: unknown): Configured<B>;
}

/** Makes a plugin from a schema and a function of valid options. */
export function plugin<S extends z.ZodType, B>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly options: S;
  readonly bind: (options: z.output<S>) => B;
}): Plugin<B> {
  const { name, summary, options, bind } = definition;
  return {
    name,
    summary,
    options,
    configure(raw) {
      const checked = check(options, raw ?? (acceptsNothing(options) ? undefined : {}));
      return checked.ok ? { ok: true, value: bind(checked.value) } : checked;
    },
  };
}

/** Whether the schema accepts a scalar or a list, for which an empty mapping would be a misleading default. */
function acceptsNothing(schema: z.ZodType): boolean {
  return !(schema instanceof z.ZodObject);
}

/** Checks a value; issues name each unknown field by itself. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Configured<z.output<S>> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, issues: result.error.issues.flatMap((issue) => issuesOf(issue, schema)) };
}

function issuesOf(issue: z.core.$ZodIssue, schema: z.ZodType): readonly Issue[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  const known = path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const others = known.length === 0 ? "" : `; must be one of: ${known.join(", ")}`;
  return issue.keys.map((key) => ({ path: [...path, key], message: `unknown field "${key}"${others}` }));
}

/** Finds a plugin by its name; the issue lists the existing ones. */
export function find<B>(plugins: readonly Plugin<B>[], kind: string, name: string): Configured<Plugin<B>> {
  const found = plugins.find((one) => one.name === name);
  if (found !== undefined) return { ok: true, value: found };
  const names = plugins.map((one) => one.name).sort();
  return {
    ok: false,
    issues: [{ path: [], message: `unknown ${kind} "${name}"; must be one of: ${names.join(", ")}` }],
  };
}
