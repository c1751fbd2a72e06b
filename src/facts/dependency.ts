// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../collections/get-or-add.ts";
import type { FactKind } from "./types.ts";

/**
 * A collection that is looked up by a value: the facts of a kind by key, a kind's index by value, or something other than facts. Topics are constants
 * and compared by identity, so recording a dependency neither joins nor hashes strings.
 */
export class Topic {
  /** For people. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What a result depends on: the entries of a topic under this value. */
export interface Dependency {
  readonly topic: Topic;
  readonly value: string;
}

const ALL = new Topic("all");
/** One for each kind and each index, created at first use. */
const FACTS = new Map<FactKind, Topic>();
const INDEXES = new Map<FactKind, Map<string, Topic>>();

/** The topic of an index of a kind. */
export function indexTopic(kind: FactKind, index: string): Topic {
  const topics = getOrAdd(INDEXES, kind, () => new Map<string, Topic>());
  return getOrAdd(topics, index, () => new Topic(`${kind} by ${index}`));
}

function factTopic(kind: FactKind): Topic {
  return getOrAdd(FACTS, kind, () => new Topic(kind));
}

/** The dependencies of a reader's calls. */
export const dependency = {
  fact: (kind: FactKind, key: string): Dependency => ({ topic: factTopic(kind), value: key }),
  index: (kind: FactKind, index: string, value: string): Dependency => ({ topic: indexTopic(kind, index), value }),
  all: (kind: FactKind): Dependency => ({ topic: ALL, value: kind }),
};

/** Whether a list contains a dependency. For short lists. */
export function includesDependency(list: readonly Dependency[], { topic, value }: Dependency): boolean {
  return list.some((other) => other.topic === topic && other.value === value);
}
