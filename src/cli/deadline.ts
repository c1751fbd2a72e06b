// SPDX-License-Identifier: Apache-2.0

/**
 * A signal that fires after `ms`, or with `signal`. Unlike that of `AbortSignal.timeout` its timer keeps the process
 * alive until `end` is called.
 */
export function deadline(ms: number, signal?: AbortSignal): { readonly signal: AbortSignal; end(): void } {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(new Error(`not done after ${ms} ms`)), ms);
  const own = control.signal;
  return { signal: signal === undefined ? own : AbortSignal.any([signal, own]), end: () => clearTimeout(timer) };
}
