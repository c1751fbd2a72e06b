// SPDX-License-Identifier: Apache-2.0

import { signal } from "@preact/signals";

/** What is written in the policy editor; kept while other views are shown. */
export interface Draft {
  readonly namespace: string;
  readonly manifest: string;
  /** Whether it is planned to delete what the manifest names. */
  readonly remove: boolean;
}

/** The draft of this page. */
export const draft = signal<Draft>({ namespace: "", manifest: "", remove: false });
