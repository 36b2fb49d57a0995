/** Which users a KPI counts, and when: the `users:` conditions over versions of the entity user. */
import { entityOf } from "../config/entities.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { KpiColumn } from "./columns.ts";
import { seenSteps } from "./facts.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
import { untilName, withSteps } from "./pieces.ts";

type Users = NonNullable<KpiDefinition["users"]>;

/** The name of a set of conditions, the same wherever they are the same. */
export const usersName = (users: Users): string => `users_${sha256(canonicalJson(users)).slice(0, 12)}`;

const user = entityOf("user");

/** The columns that `users:` may name. */
export const userColumns: ReadonlyMap<string, KpiColumn> = new Map(
  user.columns.map(({ name, type, datedBy }) => [name, { name, type, datedBy }]),
);

/**
 * features.user_state: per set of conditions and user of an account the snapshots [seen_from, seen_until) at which the user was
 * known, not deactivated, and met them. Undefined when no KPI looks at users.
 */
export function userState(kpis: readonly KpiDefinition[]): Model | undefined {
  const sets = new Map(kpis.flatMap(({ users }) => (users === undefined ? [] : [[usersName(users), users] as const])));
  if (sets.size === 0) return undefined;
  const named = ["user_id", "deactivated_at", ...[...sets.values()].flatMap((users) => Object.keys(users))];
  const { steps } = seenSteps({ entity: user, account: "account_id", columns: userColumns }, named, []);
  const parts = [...sets].map(([name, users]) =>
    builder
      .selectFrom("seen")
      .select((eb: AnyBuilder) => [
        eb.cast(eb.val(name), "varchar").as("users"),
        "account_id",
        "user_id",
        "seen_from",
        eb.ref(untilName(null)).as("seen_until"),
      ])
      .where("user_id", "is not", null)
      .where("deactivated_at", "is", null)
      .whereRef("seen_from", "<", untilName(null))
      // biome-ignore lint/style/noNonNullAssertion: the schema refuses an empty set of conditions.
      .where((eb: AnyBuilder) => filterSql(eb, { filter: users }, userColumns)!),
  );
  const [first, ...rest] = parts;
  const states = rest.reduce((union, part) => union.unionAll(part), first as NonNullable<typeof first>);
  return {
    kind: "table",
    name: "features.user_state",
    grain: ["users", "account_id", "user_id", "seen_from"],
    depends: ["spine.snapshot_day", "staging.user"],
    params: [],
    audits: [],
    portable: false,
    sql: compile(
      withSteps([...steps, ["state", states]], (from) =>
        from
          .selectFrom("state")
          .select(["users", "account_id", "user_id", "seen_from", "seen_until"])
          .orderBy("users")
          .orderBy("account_id")
          .orderBy("user_id")
          .orderBy("seen_from")
          .orderBy("seen_until"),
      ),
    ),
  };
}
