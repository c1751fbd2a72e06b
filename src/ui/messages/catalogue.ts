// SPDX-License-Identifier: Apache-2.0

import type { EN } from "./en.ts";

/** A text with places `{name}`; with a place `{n}` that decides about the form, one text for each form (Intl.PluralRules). */
export type CatalogueMessage = string | { readonly one: string; readonly other: string };

/** The key of a message. */
export type MessageKey = keyof typeof EN;

/** All messages of a language. */
export type Catalogue = Readonly<Record<MessageKey, CatalogueMessage>>;
