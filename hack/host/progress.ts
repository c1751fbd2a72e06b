// SPDX-License-Identifier: Apache-2.0

/** One step of a long job, for its own code. */
export interface ProgressStep {
  /** Reports the progress ("3 of 7", "42 %"); the newest text is shown. */
  update(text: string): void;
}

/** Shows steps that may take long: title, progress, elapsed time. Steps may overlap. */
export interface Progress {
  /** Runs `action` as a step named `title`; what it returns or throws is passed on. */
  step<T>(title: string, action: (step: ProgressStep) => Promise<T>): Promise<T>;
  /** A line that stays. */
  note(line: string): void;
}

interface Running {
  readonly title: string;
  readonly since: number;
  detail: string;
  announced: number;
}

/** Shorter steps are not logged. */
const QUIET_MS = 2_000;
/** Interval of messages for running steps in a log. */
const SIGN_OF_LIFE_MS = 15_000;

/**
 * Progress on `stream`: on a terminal one live line with the running steps; in a log a line when a step takes long,
 * further lines at intervals, and a line at its end. (listr2 needs the tree of tasks before it begins, ora and
 * cli-progress show steps that do not overlap or have a length; none of them writes to a log at intervals.)
 */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const live = stream.isTTY === true;
  const running = new Set<Running>();
  let timer: NodeJS.Timeout | undefined;
  let drawn = false;

  function erase(): void {
    if (drawn) stream.write("\r\x1b[2K");
    drawn = false;
  }
  function line(text: string): void {
    erase();
    stream.write(`${text}\n`);
    draw();
  }
  function draw(): void {
    if (!live || running.size === 0) return;
    const now = Date.now();
    const parts = [...running].filter((step) => now - step.since > 300).map((step) => describe(step, now));
    if (parts.length === 0) return;
    erase();
    const width = (stream.columns ?? 80) - 1;
    const text = `… ${parts.join(" · ")}`;
    stream.write(text.length > width ? `${text.slice(0, width - 1)}…` : text);
    drawn = true;
  }
  function tick(): void {
    if (live) {
      draw();
      return;
    }
    const now = Date.now();
    for (const step of running) {
      const due = step.announced === 0 ? step.since + QUIET_MS : step.announced + SIGN_OF_LIFE_MS;
      if (now < due) continue;
      step.announced = now;
      line(`… ${describe(step, now)}`);
    }
  }

  return {
    async step(title, action) {
      const entry: Running = { title, since: Date.now(), detail: "", announced: 0 };
      running.add(entry);
      // A timer for display only, which does not keep the process alive.
      timer ??= setInterval(tick, live ? 200 : 500).unref();
      let failed = true;
      try {
        const result = await action({ update: (text) => (entry.detail = text) });
        failed = false;
        return result;
      } finally {
        running.delete(entry);
        const took = Date.now() - entry.since;
        if (failed) line(`✗ ${title} (after ${formatDuration(took)})`);
        else if (took >= QUIET_MS) line(`✓ ${title} (${formatDuration(took)})`);
        if (running.size === 0) {
          clearInterval(timer);
          timer = undefined;
          erase();
        }
      }
    },
    note: line,
  };
}

function describe(step: Running, now: number): string {
  return `${step.title}${step.detail === "" ? "" : `: ${step.detail}`}, ${formatDuration(now - step.since)}`;
}

/** A duration as text: "0.4 s", "12 s", "3 min 20 s". */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
