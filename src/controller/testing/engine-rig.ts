// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import type { WeftEffect } from "../../compile/effects.ts";
import { everyFact, type FactStore, strictReader } from "../../facts/store.ts";
import { rootsOf, UNIT_KINDS } from "../../kinds/units.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { Engine } from "../../reconcile/engine.ts";
import { Tracker } from "../../reconcile/tracker.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { EXCLUSIVE, Northbound, OWN_COLUMNS } from "../databases/northbound.ts";

/**
 * The engine with all units over an empty database in memory, which has committed what follows from the facts; it follows them from then on. `take` gets the
 * effects of what is committed. A unit that fails, fails the test.
 */
export async function engineRig(
  t: Test,
  facts: FactStore,
  { take = () => undefined, batch }: { readonly take?: (effect: WeftEffect) => void; readonly batch?: number } = {},
) {
  const server = fakeOvsdb(OVN_NB);
  const client = server.connect();
  const northbound = new Northbound(client);
  await northbound.lock.whenHeld();
  let plans: Plan[] = [];
  const engine = new Engine<WeftEffect>({
    database: "OVN_Northbound",
    tracker: new Tracker<WeftEffect>(UNIT_KINDS, strictReader(facts), rootsOf),
    view: northbound.view,
    ownColumns: OWN_COLUMNS,
    exclusive: (table) => EXCLUSIVE.get(table) ?? [],
    commit: (plan) => {
      plans.push(plan);
      return northbound.commit(plan);
    },
    whenReady: () => northbound.whenReady(),
    offerEffects: (_unit, effects) => effects.forEach(take),
    timers: SYSTEM_CLOCK,
    onUnitFailure: (unit, error) => t.fail(`${unit}: ${error.message}`),
    onDeposed: () => t.fail("deposed"),
    ...(batch !== undefined && { batch }),
  });
  northbound.subscribe((changes) => engine.noteDatabase(changes));
  facts.subscribe((change) => engine.noteFact(change));
  for (const change of everyFact(facts)) engine.noteFact(change);
  await northbound.whenReady();
  engine.start();
  await engine.whenIdle();
  return {
    ...{ engine, northbound, client },
    /** The plans since it was asked last. */
    plans(): readonly Plan[] {
      const seen = plans;
      plans = [];
      return seen;
    },
    async close(): Promise<void> {
      engine.stop();
      await client.close();
      await server.close();
    },
  };
}
