/** The small language of `expression` KPIs: numbers, ids of KPIs, + - * / ( ) and a few functions. Text in, tree out. */

/** An expression as a tree; `at` is the place of its first character, counted from 1. */
export type ExpressionTree =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "kpi"; readonly id: string; readonly at: number }
  | { readonly kind: "negative"; readonly of: ExpressionTree }
  | {
      readonly kind: "binary";
      readonly operator: "+" | "-" | "*" | "/";
      readonly left: ExpressionTree;
      readonly right: ExpressionTree;
    }
  | { readonly kind: "call"; readonly name: FunctionName; readonly given: readonly ExpressionTree[] };

/** The functions, with the least and the most that they take. */
const functions = {
  abs: [1, 1],
  coalesce: [2, 20],
  ln: [1, 1],
  max: [2, 20],
  min: [2, 20],
} as const;
export type FunctionName = keyof typeof functions;

/** What is wrong with an expression, in one sentence that starts with what was found and where. */
export class ExpressionError extends Error {}

interface Token {
  readonly kind: "number" | "name" | "sign" | "end";
  readonly text: string;
  readonly at: number;
}

const tokenPattern = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([a-z][a-z0-9_]*)|([-+*/(),]))/y;

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let end = 0;
  while (text.slice(end).trim() !== "") {
    tokenPattern.lastIndex = end;
    const match = tokenPattern.exec(text);
    if (match === null) {
      const at = end + (text.slice(end).length - text.slice(end).trimStart().length) + 1;
      throw found(`"${text[at - 1]}"`, at, text, "a number, the id of a KPI, or one of + - * / ( ) ,");
    }
    const [all, number, name, sign] = match;
    const word = number ?? name ?? (sign as string);
    const kind = number !== undefined ? "number" : name !== undefined ? "name" : "sign";
    end += all.length;
    tokens.push({ kind, text: word, at: end - word.length + 1 });
  }
  return [...tokens, { kind: "end", text: "", at: text.trimEnd().length + 1 }];
}

const found = (what: string, at: number, text: string, expected: string): ExpressionError =>
  new ExpressionError(`found ${what} at character ${at} of "${text}", expected ${expected}`);

/** Parses an expression; the usual precedence, equal operators from left to right. Throws an {@link ExpressionError}. */
export function parseExpression(text: string): ExpressionTree {
  const tokens = tokensOf(text);
  let next = 0;
  const peek = (): Token => tokens[next] as Token;
  const isSign = (...signs: readonly string[]): boolean => peek().kind === "sign" && signs.includes(peek().text);
  const fail = (expected: string): ExpressionError => {
    const { kind, text: word, at } = peek();
    return found(kind === "end" ? "the end" : `"${word}"`, at, text, expected);
  };
  const take = (): Token => tokens[next++] as Token;
  const close = (expected: string): void => {
    if (!isSign(")")) throw fail(expected);
    next += 1;
  };

  const sum = (): ExpressionTree => {
    let left = product();
    while (isSign("+", "-")) left = { kind: "binary", operator: take().text as "+" | "-", left, right: product() };
    return left;
  };
  const product = (): ExpressionTree => {
    let left = factor();
    while (isSign("*", "/")) {
      const { text: operator, at } = take();
      const right = factor();
      if (operator === "/" && right.kind === "number" && right.value === 0)
        throw found("a division by 0", at, text, "another divisor: this has no value for anybody");
      left = { kind: "binary", operator: operator as "*" | "/", left, right };
    }
    return left;
  };
  const factor = (): ExpressionTree => {
    if (isSign("-")) {
      next += 1;
      return { kind: "negative", of: factor() };
    }
    if (isSign("(")) {
      next += 1;
      const inner = sum();
      close('an operator or ")"');
      return inner;
    }
    const token = peek();
    if (token.kind === "number") {
      next += 1;
      const value = Number(token.text);
      if (!Number.isFinite(value)) throw found(`"${token.text}"`, token.at, text, "a number below 1e308");
      return { kind: "number", value };
    }
    if (token.kind !== "name") throw fail('a number, the id of a KPI, a function or "("');
    next += 1;
    if (!isSign("(")) return { kind: "kpi", id: token.text, at: token.at };
    return call(token);
  };
  const call = (token: Token): ExpressionTree => {
    if (!Object.hasOwn(functions, token.text)) {
      throw found(`"${token.text}("`, token.at, text, `a function: ${Object.keys(functions).join(", ")}`);
    }
    const name = token.text as FunctionName;
    next += 1;
    const given = [sum()];
    while (isSign(",")) {
      next += 1;
      given.push(sum());
    }
    close('an operator, "," or ")"');
    const [least, most] = functions[name];
    if (given.length < least || given.length > most) {
      const right = least === most ? `${least} value` : `${least} to ${most} values`;
      throw found(`${name} of ${given.length}`, token.at, text, right);
    }
    return { kind: "call", name, given };
  };

  const tree = sum();
  if (peek().kind !== "end") throw fail("an operator or the end");
  return tree;
}

/** The KPIs that an expression names, in reading order, each once, with the first place. */
export function kpisOf(tree: ExpressionTree): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  const walk = (node: ExpressionTree): void => {
    switch (node.kind) {
      case "kpi":
        if (!ids.has(node.id)) ids.set(node.id, node.at);
        break;
      case "negative":
        walk(node.of);
        break;
      case "binary":
        walk(node.left);
        walk(node.right);
        break;
      case "call":
        node.given.forEach(walk);
        break;
      default:
    }
  };
  walk(tree);
  return ids;
}
