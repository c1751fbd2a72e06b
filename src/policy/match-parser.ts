// SPDX-License-Identifier: Apache-2.0

import { MAX_MATCH_LENGTH, MatchError } from "./match-error.ts";
import {
  type MatchConstant,
  type MatchExpression,
  type MatchField,
  type MatchOperator,
  type MatchOrder,
  RESIDENT,
} from "./match-expression.ts";
import { type Mark, type NumberToken, type Token, tokenize } from "./match-lexer.ts";
import { type FieldSymbol, type PredicateSymbol, SYMBOLS } from "./match-symbols.ts";
import { numberWidth } from "./number-set.ts";

/** OVN's limit for nested parentheses (ovn lib/expr.c, MAX_PAREN_DEPTH). */
const MAX_DEPTH = 100;

/**
 * Parses a match (ovn-sb(5), Logical_Flow `match`) and refuses what OVN refuses, as far as that does not depend on the contents of sets. Throws
 * `MatchError`.
 */
export function parseExpression(text: string): MatchExpression {
  if (text.length > MAX_MATCH_LENGTH) {
    throw new MatchError("too-long", `a match of ${text.length} characters; ${MAX_MATCH_LENGTH} are allowed`);
  }
  return new Parser(tokenize(text)).whole();
}

interface Constants {
  readonly at: number;
  readonly list: readonly MatchConstant[];
  readonly braces: boolean;
}

/** Recursive descent over the tokens, after ovn lib/expr.c. */
class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  /** Whether the number of enclosing `!` is odd. */
  #negated = false;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): MatchExpression {
    const expression = this.#expression();
    if (this.#token.kind !== "end") throw this.#unexpected("the end or an operator");
    return expression;
  }

  get #token(): Token {
    const token = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)];
    if (token === undefined) throw new MatchError("syntax", "the match is empty", 0);
    return token;
  }

  #mark(): Mark | undefined {
    return this.#token.kind === "mark" ? this.#token.mark : undefined;
  }

  #skip(mark: Mark): boolean {
    if (this.#mark() !== mark) return false;
    this.#next++;
    return true;
  }

  #demand(mark: Mark): void {
    if (!this.#skip(mark)) throw this.#unexpected(`"${mark}"`);
  }

  #unexpected(wanted: string): MatchError {
    return new MatchError("syntax", `expected ${wanted}`, this.#token.at);
  }

  #expression(): MatchExpression {
    const first = this.#term();
    const mark = this.#mark();
    if (mark !== "&&" && mark !== "||") return first;
    const terms = [first];
    while (this.#skip(mark)) terms.push(this.#term());
    if (this.#mark() === "&&" || this.#mark() === "||") {
      throw new MatchError("syntax", "&& and || need parentheses when used together", this.#token.at);
    }
    return { kind: mark === "&&" ? "and" : "or", terms };
  }

  #term(): MatchExpression {
    const { at } = this.#token;
    if (!this.#skip("!")) return this.#primary();
    this.#negated = !this.#negated;
    const inParentheses = this.#mark() === "(";
    const term = this.#primary();
    this.#negated = !this.#negated;
    const bare = term.kind === "truth" || term.kind === "constant" || term.kind === "resident";
    if (!inParentheses && !bare) {
      throw new MatchError("syntax", "what is negated by ! needs parentheses", at);
    }
    return { kind: "not", term };
  }

  #primary(): MatchExpression {
    if (this.#mark() === "(") return this.#parenthesized();
    if (this.#token.kind === "identifier") return this.#token.name === RESIDENT ? this.#resident() : this.#fieldFirst();
    return this.#constantFirst();
  }

  #parenthesized(): MatchExpression {
    if (this.#depth >= MAX_DEPTH) {
      throw new MatchError("too-deep", `parentheses nest deeper than ${MAX_DEPTH}`, this.#token.at);
    }
    this.#depth++;
    this.#demand("(");
    const expression = this.#expression();
    this.#demand(")");
    this.#depth--;
    return expression;
  }

  #resident(): MatchExpression {
    this.#next++;
    this.#demand("(");
    const token = this.#token;
    if (token.kind !== "string") throw this.#unexpected("the name of a port");
    this.#next++;
    this.#demand(")");
    return { kind: "resident", port: token.text };
  }

  #fieldFirst(): MatchExpression {
    const { at } = this.#token;
    const field = this.#field();
    const operator = this.#operator();
    if (operator === undefined) return this.#truth(field, at);
    return this.#comparison(field, at, operator, this.#constants());
  }

  #constantFirst(): MatchExpression {
    const constants = this.#constants();
    const operator = this.#operator();
    const [only] = constants.list;
    if (operator === undefined) {
      if (!constants.braces && only?.kind === "number" && only.mask === undefined && only.format === "decimal") {
        if (only.value <= 1n) return { kind: "constant", value: only.value === 1n };
      }
      throw this.#unexpected("a relational operator");
    }
    const { at } = this.#token;
    const field = this.#field();
    const second = this.#operator();
    const turned = turn(operator);
    if (second === undefined) return this.#comparison(field, at, turned, constants);
    const end = this.#constants();
    if (!isOrder(operator) || !isOrder(second) || operator[0] !== second[0]) {
      throw new MatchError("operator", "a range has the form x < field < y or x > field > y", at);
    }
    this.#comparison(field, at, turned, constants);
    this.#comparison(field, at, second, end);
    const [right] = end.list;
    if (only?.kind !== "number" || right?.kind !== "number") throw this.#unexpected("a number");
    return { kind: "range", field, left: only, leftOperator: operator, rightOperator: second, right };
  }

  #operator(): MatchOperator | undefined {
    const mark = this.#mark();
    if (mark !== "==" && mark !== "!=" && mark !== "<" && mark !== "<=" && mark !== ">" && mark !== ">=") {
      return undefined;
    }
    this.#next++;
    return mark;
  }

  #field(): MatchField {
    const token = this.#token;
    if (token.kind !== "identifier") throw this.#unexpected("a field");
    const { at, name } = token;
    const symbol = SYMBOLS.get(name);
    if (symbol === undefined) throw new MatchError("unknown-symbol", `there is no field ${JSON.stringify(name)}`, at);
    this.#next++;
    if (!this.#skip("[")) return { name };
    const low = this.#bit();
    const high = this.#skip("..") ? this.#bit() : low;
    this.#demand("]");
    const width = symbol.kind === "predicate" ? 1 : symbol.width;
    const whole = low === 0 && high === width - 1;
    if (low > high || high >= width || (symbol.level === "nominal" && !whole)) {
      throw new MatchError("type", `${name} has no bits ${low}..${high} to select`, at);
    }
    return { name, bits: { low, high } };
  }

  #bit(): number {
    const token = this.#token;
    if (token.kind !== "number" || token.format !== "decimal" || token.mask !== undefined || token.value > 1023n) {
      throw this.#unexpected("the number of a bit");
    }
    this.#next++;
    return Number(token.value);
  }

  #constants(): Constants {
    const { at } = this.#token;
    if (!this.#skip("{")) return { at, list: [this.#constant()], braces: false };
    const list: MatchConstant[] = [];
    do {
      list.push(this.#constant());
      this.#skip(",");
    } while (!this.#skip("}"));
    return { at, list, braces: true };
  }

  #constant(): MatchConstant {
    const token = this.#token;
    switch (token.kind) {
      case "string":
        this.#next++;
        return { kind: "string", text: token.text };
      case "addressSet":
      case "portGroup":
        this.#next++;
        return { kind: token.kind, name: token.name };
      case "number": {
        this.#next++;
        const { value, mask, format } = token;
        return { kind: "number", value, ...(mask !== undefined && { mask }), format };
      }
      default:
        throw this.#unexpected("a constant");
    }
  }

  /** A symbol on its own. */
  #truth(field: MatchField, at: number): MatchExpression {
    const symbol = symbolOf(field);
    const width = widthOf(field, symbol);
    if (width === 0) throw this.#unexpected("a relational operator");
    if (width > 1 && !this.#negated) {
      throw new MatchError("operator", `${field.name} needs an explicit comparison, such as != 0`, at);
    }
    const nominal = symbol.level === "nominal";
    // A field alone means "!= 0", which is not allowed for a nominal one; a predicate must not be negated.
    if (nominal && this.#negated === (symbol.kind === "predicate")) throw nominalError(field, at);
    return { kind: "truth", field };
  }

  #comparison(field: MatchField, at: number, operator: MatchOperator, constants: Constants): MatchExpression {
    const symbol = symbolOf(field);
    for (const constant of constants.list) checkType(field, symbol, constant, constants.at);
    const [first] = constants.list;
    if (isOrder(operator)) {
      if (constants.braces || first?.kind !== "number" || first.mask !== undefined) {
        throw new MatchError("operator", `${operator} takes one number without a mask`, constants.at);
      }
      if (symbol.level !== "ordinal") {
        throw new MatchError("operator", `${field.name} goes with == and != only, not with ${operator}`, at);
      }
    } else if (symbol.level === "nominal") {
      const negative = (operator === "!=") !== this.#negated;
      const wrong =
        symbol.kind === "field"
          ? negative
          : constants.list.some((c) => c.kind !== "number" || ((c.value & 1n) === 1n) === negative);
      if (wrong) throw nominalError(field, at);
    }
    return { kind: "compare", field, operator, constants: constants.list, braces: constants.braces };
  }
}

/** The symbol of a field that the parser has accepted. */
export function symbolOf(field: MatchField): FieldSymbol | PredicateSymbol {
  const symbol = SYMBOLS.get(field.name);
  if (symbol === undefined) throw new MatchError("unknown-symbol", `there is no field ${JSON.stringify(field.name)}`);
  return symbol;
}

function widthOf(field: MatchField, symbol: FieldSymbol | PredicateSymbol): number {
  if (field.bits !== undefined) return field.bits.high - field.bits.low + 1;
  return symbol.kind === "predicate" ? 1 : symbol.width;
}

/** Whether the number is too wide for the field, as OVN checks it. */
export function isTooWide(number: NumberToken, symbol: FieldSymbol | PredicateSymbol): boolean {
  return numberWidth(number) > (symbol.kind === "predicate" ? 1 : symbol.width);
}

function checkType(
  field: MatchField,
  symbol: FieldSymbol | PredicateSymbol,
  constant: MatchConstant,
  at: number,
): void {
  const isString = symbol.kind === "field" && symbol.width === 0;
  if (isString !== (constant.kind === "string" || constant.kind === "portGroup")) {
    throw new MatchError("type", `${field.name} is compared with ${isString ? "names of ports" : "numbers"} only`, at);
  }
  if (constant.kind === "number" && isTooWide(constant, symbol)) {
    throw new MatchError("type", `the number is too wide for ${field.name}`, at);
  }
}

function nominalError(field: MatchField, at: number): MatchError {
  return new MatchError("operator", `${field.name} may only be tested in a positive sense, without a ! around it`, at);
}

/** Whether the operator compares by order. */
export function isOrder(operator: MatchOperator): operator is MatchOrder {
  return operator !== "==" && operator !== "!=";
}

/** The operator for the same comparison with its sides exchanged. */
function turn(operator: MatchOperator): MatchOperator {
  if (operator === "<" || operator === "<=") return operator === "<" ? ">" : ">=";
  if (operator === ">" || operator === ">=") return operator === ">" ? "<" : "<=";
  return operator;
}
