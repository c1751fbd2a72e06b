// SPDX-License-Identifier: Apache-2.0

/** Weft's mark: two threads that cross two others. */
export function Logo({ size }: { readonly size: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" class="logo" aria-hidden="true" focusable="false">
      <rect width="24" height="24" rx="5" class="logo-ground" />
      <path
        d="M4 9h4m4 0h8M4 15h8m4 0h4M10 4v8m0 4v4M14 4v2m0 6v8"
        class="logo-threads"
        fill="none"
        stroke-width="2.2"
        stroke-linecap="round"
      />
    </svg>
  );
}
