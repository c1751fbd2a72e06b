// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../collections/get-or-add.ts";
import type { FactKind } from "./types.ts";

/**
 * What is looked up by one value: the facts of a kind by their keys, a kind's index by its values, or something beside the facts. Topics are
 * constants and compared by identity, so noting what was read joins no texts and hashes none.
 */
export class Topic {
  /** For people. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What an answer depends on: what its topic has under this value. */
export interface Dependency {
  readonly topic: Topic;
  readonly value: string;
}

const ALL = new Topic("all");
/** One for each kind and one for each index, made when it is first asked for. */
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

/** What a reader's calls depend on. */
export const dependency = {
  fact: (kind: FactKind, key: string): Dependency => ({ topic: factTopic(kind), value: key }),
  index: (kind: FactKind, index: string, value: string): Dependency => ({ topic: indexTopic(kind, index), value }),
  all: (kind: FactKind): Dependency => ({ topic: ALL, value: kind }),
};

/** Whether a list has a dependency. For short lists. */
export function includesDependency(list: readonly Dependency[], { topic, value }: Dependency): boolean {
  return list.some((other) => other.topic === topic && other.value === value);
}
