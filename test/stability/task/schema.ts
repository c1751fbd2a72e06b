// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";

/** A mapping from names of plugins to their options. */
const plugins = z.record(z.string(), z.unknown());

const oneOf = plugins.refine((value) => Object.keys(value).length === 1, "must name exactly one plugin");

const hook = z.strictObject({
  /** In words, or a plugin with its options. */
  fault: z.union(
    [z.string(), oneOf],
    'must be words such as "kill daemon service on one node", or one plugin with its options',
  ),
  at: oneOf,
  /** Seconds. */
  for: z.number().min(0).max(3_600).optional(),
});

const load = z.strictObject({
  /** By default the scenario's name. */
  name: z.string().min(1).optional(),
  scenario: oneOf,
  runner: oneOf,
  sla: plugins.default({}),
});

const repeat = z.int().min(1).max(100);

/** The shape of a task; plugins check their own options. */
export const TASK = z.strictObject({
  title: z.string().min(1),
  /** Seed of all random choices, such as nodes and moments. */
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(1),
  repeat: repeat.default(1),
  target: oneOf.optional(),
  runs: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        repeat: repeat.optional(),
        context: plugins.default({}),
        load: z.array(load).min(1).max(10),
        hooks: z.array(hook).max(20).default([]),
        verify: plugins.default({}),
        settle: z.number().min(0).max(600).default(5),
      }),
    )
    .min(1)
    .max(500),
});

/** A task as written, its shape checked. */
export type TaskShape = z.output<typeof TASK>;
