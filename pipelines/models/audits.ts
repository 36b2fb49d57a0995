import { usageError } from "../lib/errors.ts";
import type { Audit } from "./model.ts";

/** The generic audits. Each is a query over the model that returns the bad rows. */
const templates: Readonly<Record<string, (model: string, args: readonly string[]) => string>> = {
  not_null: (model, args) => `select * from ${model} where ${args.map((arg) => `${arg} is null`).join(" or ")}`,
  unique: (model, args) =>
    `select ${args.join(", ")}, count(*) as n from ${model} group by ${args.join(", ")} having count(*) > 1`,
  non_negative: (model, args) => `select * from ${model} where ${args.map((arg) => `${arg} < 0`).join(" or ")}`,
  exclusive_periods: (model, [key, from, to]) =>
    `select * from (select *, lead(${from}) over (partition by ${key} order by ${from}) as next_from from ${model}) as p ` +
    `where ${to} is null and next_from is not null or ${to} > next_from or ${to} <= ${from}`,
};

/**
 * `not_null(a, b); unique(a); warn unique(b)`: audits of a header, separated by semicolons. `warn` makes one
 * non-blocking: it is counted in `meta.audit_result` and stops nothing.
 */
export function parseAudits(model: string, text: string, file: string): readonly Audit[] {
  return text
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part.length > 0)
    .map((part) => {
      const match = /^(warn )?([a-z_]+)\(([^)]*)\)$/.exec(part);
      const template = match === null ? undefined : templates[match[2] as string];
      if (match === null || template === undefined) {
        throw usageError(`${file}: an audit is one of ${Object.keys(templates).join(", ")}, found ${part}`);
      }
      const args = (match[3] as string).split(",").map((arg) => arg.trim());
      return { name: `${match[2]}(${args.join(", ")})`, sql: template(model, args), blocking: match[1] === undefined };
    });
}
