// SPDX-License-Identifier: Apache-2.0

/** Pods with limits, all on the first node. */
export const TEN = 10;

/** What is measured at once: one flow for each of these. */
export interface QosCell {
  /** Mbit/s; 0: without a limit. */
  readonly asked: number;
  /** Seen from the limited pod. */
  readonly direction: "ingress" | "egress";
  readonly protocol: "tcp" | "udp";
  readonly where: "on a node" | "across nodes";
  /** Numbers of the limited pods that have a flow each. */
  readonly pods: readonly number[];
  /** Mbit; absent: the default, 0.8 s of the rate. */
  readonly burst?: number;
}

/** How long something is measured. */
export interface QosTiming {
  /** s, before it is measured: a burst that has been saved up is used up by then, and TCP has recovered from the losses that follow. */
  readonly settle: number;
  /** s */
  readonly seconds: number;
}

/** Cells that are measured side by side, each with pods of its own. */
export interface QosBatch extends QosTiming {
  readonly title: string;
  readonly cells: readonly QosCell[];
}

/** Flows of this rate in all, Mbit/s, do not disturb each other on a machine with two CPUs. */
const TOGETHER = 200;
/** Ten pods side by side have at most this rate each, Mbit/s: together they are to need less than the machine has. */
const MOST_OF_TEN = 50;
/** Start and end of the programs of a batch, s. */
const OVERHEAD = 0.5;
/**
 * From this rate on, Mbit/s, a small machine may send hardly more than the limit. The default burst then outlasts the wait before the window, and the window measures the
 * burst: 598 arrived of 500 on a machine that sends 600. So datagrams at these rates have a burst of {@link SHORT_BURST}. TCP keeps the default, which it needs.
 */
const FAST = 500;
/** s of the rate. A sender that exceeds the rate by 5 % uses it up in 4 s; one that exceeds it by less is within the goal. */
const SHORT_BURST = 0.2;

const PATHS = (["on a node", "across nodes"] as const).flatMap((where) =>
  (["ingress", "egress"] as const).flatMap((direction) =>
    (["tcp", "udp"] as const).map((protocol) => ({ where, direction, protocol })),
  ),
);

/**
 * What is measured: without a limit, then each rate with one pod for each path, as many paths at once as do not disturb each other, then ten pods side by side on a node.
 * `seconds`: how long one TCP flow is measured. What passes in a time may differ from the rate by a burst, which is 0.8 s of it, and TCP uses that: it waits for 0.2 s
 * or more after losses, and makes up for it. So a figure of 3 s was off by 5 % (standard deviation) where that of 10 s was by 1.6 and that of 36 s by 0.5. UDP uses a
 * burst up once.
 */
export function planQos(rates: readonly number[], seconds: number): readonly QosBatch[] {
  const timing = (cells: readonly QosCell[]): QosTiming => {
    const settle = cells.some(({ asked }) => asked >= FAST) ? 4.5 : 2;
    if (cells.every(({ protocol }) => protocol === "udp")) return { settle, seconds: seconds * 0.2 };
    // The mean of ten and their equality need less.
    return { settle: 3, seconds: cells.some(({ pods }) => pods.length > 1) ? seconds * 0.6 : seconds };
  };
  const batches: QosBatch[] = PATHS.map((path) => ({
    ...{ title: `without a limit: ${path.protocol} ${path.direction} ${path.where}`, settle: 0.5, seconds: 1 },
    cells: [{ ...path, asked: 0, pods: [0] }],
  }));
  for (const asked of rates) {
    const size = Math.max(1, Math.min(PATHS.length, Math.floor(TOGETHER / asked)));
    // Few at once are of one protocol, because datagrams need less time.
    const ofOne = Object.values(Object.groupBy(PATHS, ({ protocol }) => protocol));
    for (const paths of size === PATHS.length ? [PATHS] : ofOne) {
      for (let first = 0; first < paths.length; first += size) {
        const cells = paths.slice(first, first + size).map((path, index): QosCell => {
          const short = asked >= FAST && path.protocol === "udp";
          return { ...path, asked, pods: [index], ...(short && { burst: Math.round(asked * SHORT_BURST) }) };
        });
        batches.push({ title: `${asked} Mbit/s, one pod, ${cells.length} paths at once`, cells, ...timing(cells) });
      }
    }
  }
  const pods = Array.from({ length: TEN }, (_, index) => index);
  for (const asked of new Set(rates.map((rate) => Math.min(rate, MOST_OF_TEN)))) {
    for (const path of PATHS.filter(({ where }) => where === "on a node")) {
      const title = `${asked} Mbit/s, ten pods: ${path.protocol} ${path.direction}`;
      const cells = [{ ...path, asked, pods }];
      batches.push({ title, cells, ...timing(cells) });
    }
  }
  return batches.toSorted((a, b) => (a.cells[0]?.asked ?? 0) - (b.cells[0]?.asked ?? 0));
}

/** How long the batches take on a machine that keeps up, s. */
export function secondsOf(batches: readonly QosBatch[]): number {
  return batches.reduce((sum, { settle, seconds }) => sum + settle + seconds + OVERHEAD, 0);
}

/** What a sender of datagrams offers, Mbit/s: half as much again as is let through uses a burst of 0.8 s up in 1.6 s. */
export function offered(asked: number): number {
  return asked === 0 ? 1_000 : asked * 1.5;
}

/** A limit as the tables name it. `burst`: Mbit, where it is not the default. */
export function showLimit(asked: number, burst?: number): string {
  if (asked === 0) return "no limit";
  return `${asked} Mbit/s${burst === undefined ? "" : ` (burst ${burst} Mbit)`}`;
}
