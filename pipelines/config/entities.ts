/** What a column of an entity holds, and so how its text is cast. */
export type ColumnType =
  | "text"
  | "integer" /* bigint */
  | "number" /* decimal(18,6) */
  | "money" /* bigint, minor units */
  | "rate" /* decimal(28,12), what one unit of a currency is worth */
  | "boolean"
  | "date" /* a calendar date, UTC */
  | "time"; /* a timestamp, UTC */

export interface EntityColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** A row without it is rejected. */
  readonly required: boolean;
  /**
   * The column whose date says when this value became a fact (often the column itself): the value counts at snapshot
   * `s` only if that date lies before `s`.
   */
  readonly datedBy?: string;
}

export interface Entity {
  readonly id: string;
  /**
   * `state`: how something is now; its first version is split by what could be known (docs/exports.md, "What a snapshot may know"). `fact`: something
   * that happened once. `map`: identities and exchange rates, known at all times. `hand`: a file that a person writes and edits in place; what
   * a row says counts from the edit on (docs/exports.md, "Files written by hand").
   */
  readonly kind: "state" | "fact" | "map" | "hand";
  readonly columns: readonly EntityColumn[];
  /** The columns that identify a row when the source declares no other key; empty: the entity has no id of its own. */
  readonly key: readonly string[];
  /** A row's own day is the earliest of these that is given; a row that has none is known from its delivery. */
  readonly eventColumns: readonly string[];
  /** At least one of these must be given, or the row is rejected. */
  readonly oneOf: readonly string[];
  /** Columns beyond the catalogue may be mapped and pass through. */
  readonly extras: boolean;
}

/**
 * One column in short: `name type`, `!` for required, `@column` for the column that dates it (`@` alone: itself).
 */
function column(text: string): EntityColumn {
  const match = /^([a-z_]+) ([a-z]+)(!)?(?: @([a-z_]*))?$/.exec(text);
  if (match === null) throw new Error(`not a column: ${text}`);
  const [, name, type, required, datedBy] = match as unknown as [string, string, ColumnType, string?, string?];
  return {
    name,
    type,
    required: required !== undefined,
    ...(datedBy === undefined ? {} : { datedBy: datedBy === "" ? name : datedBy }),
  };
}

interface EntityOptions {
  readonly key?: readonly string[];
  readonly on?: readonly string[];
  readonly oneOf?: readonly string[];
  readonly extras?: boolean;
}

function entity(id: string, kind: Entity["kind"], columns: readonly string[], options: EntityOptions = {}): Entity {
  return {
    id,
    kind,
    columns: columns.map(column),
    key: options.key ?? [],
    eventColumns: options.on ?? [],
    oneOf: options.oneOf ?? [],
    extras: options.extras ?? false,
  };
}

const all = [
  entity(
    "account",
    "state",
    [
      "account_id text!",
      "name text",
      "created_at time",
      "owner text",
      "lifecycle text",
      "country text",
      "parent_id text",
      "is_test boolean",
    ],
    { key: ["account_id"], on: ["created_at"], extras: true },
  ),
  entity("account_key", "map", ["source text!", "source_id text!", "account_id text!", "from_on date"], {
    key: ["source", "source_id", "from_on"],
    on: ["from_on"],
  }),
  entity("rate", "map", ["currency text!", "from_on date!", "rate rate!"], {
    key: ["currency", "from_on"],
    on: ["from_on"],
  }),
  entity(
    "user",
    "state",
    [
      "user_id text!",
      "account_id text!",
      "role text",
      "is_executive boolean",
      "created_at time",
      "deactivated_at time @",
    ],
    { key: ["user_id"], on: ["created_at"] },
  ),
  entity(
    "subscription",
    "state",
    [
      "subscription_id text",
      "account_id text!",
      "started_on date!",
      "ended_on date @",
      "notice_on date @",
      "notice_days integer",
      "end_reason text @ended_on",
      "renews_on date",
      "term_months integer",
      "mrr_minor money",
      "currency text",
      "seats integer",
      "plan text",
      "is_trial boolean",
    ],
    { key: ["subscription_id"], on: ["started_on"], extras: true },
  ),
  entity(
    "usage_event",
    "fact",
    [
      "account_id text!",
      "event_time time!",
      "event text!",
      "user_id text",
      "quantity number",
      "event_id text",
      "known_at time",
    ],
    { key: ["event_id"], on: ["event_time"] },
  ),
  entity(
    "usage_daily",
    "fact",
    [
      "account_id text!",
      "activity_date date!",
      "event text!",
      "n_events integer",
      "n_users integer",
      "quantity number",
      "known_at time",
    ],
    { on: ["activity_date"] },
  ),
  entity(
    "ticket",
    "fact",
    [
      "account_id text!",
      "opened_at time!",
      "closed_at time @",
      "first_response_at time @",
      "priority text",
      "category text",
      "csat number @closed_at",
      "ticket_id text",
      "known_at time",
    ],
    { key: ["ticket_id"], on: ["opened_at"] },
  ),
  entity(
    "survey_response",
    "fact",
    [
      "account_id text!",
      "kind text!",
      "asked_at time",
      "responded_at time @",
      "score number @responded_at",
      "campaign text",
      "user_id text",
    ],
    { on: ["asked_at", "responded_at"], oneOf: ["asked_at", "responded_at"] },
  ),
  entity(
    "engagement",
    "fact",
    ["account_id text!", "occurred_at time!", "kind text!", "direction text", "status text"],
    {
      on: ["occurred_at"],
    },
  ),
  entity(
    "invoice",
    "fact",
    [
      "account_id text!",
      "issued_on date!",
      "due_on date @",
      "paid_on date @",
      "amount_minor money",
      "currency text",
      "status text @paid_on",
    ],
    { on: ["issued_on"] },
  ),
  entity(
    "csm_rating",
    "fact",
    ["account_id text!", "rated_at time!", "rating number!", "author text", "comment text"],
    {
      on: ["rated_at"],
    },
  ),
  entity("milestone", "fact", ["account_id text!", "milestone text!", "expected_on date", "reached_on date @"], {
    on: ["expected_on", "reached_on"],
  }),
  entity("business_event", "fact", ["account_id text!", "occurred_on date!", "kind text!"], { on: ["occurred_on"] }),
  entity(
    "churn_event",
    "fact",
    ["account_id text!", "occurred_on date!", "reason text", "is_voluntary boolean", "is_reactivation boolean"],
    { on: ["occurred_on"] },
  ),
  entity(
    "play",
    "fact",
    ["account_id text!", "started_on date!", "play text", "author text", "ended_on date @", "outcome text @ended_on"],
    { on: ["started_on"] },
  ),
  entity("goal", "fact", ["account_id text!", "goal text!", "agreed_on date", "met_on date @"], {
    on: ["agreed_on", "met_on"],
  }),
  entity("note", "fact", ["on date!", "label text!", "kind text"], { on: ["on"] }),
  entity(
    "override",
    "hand",
    ["account_id text!", "band text!", "from_on date!", "expires_on date", "reason text", "author text!"],
    { key: ["account_id", "from_on"], on: ["from_on"] },
  ),
  entity("known_account", "hand", ["account_id text!", "expected_band text!", "said_by text", "said_on date"], {
    key: ["account_id", "said_by", "said_on"],
    on: ["said_on"],
  }),
  entity(
    "disposition",
    "hand",
    ["account_id text!", "kind text!", "disposition text", "said_by text", "said_on date", "note text"],
    { key: ["account_id", "kind"], on: ["said_on"] },
  ),
  entity("interview", "hand", ["account_id text!", "held_on date!", "minutes integer", "held_by text", "note text"], {
    key: ["account_id", "held_on"],
    on: ["held_on"],
  }),
] as const;

/** Columns that staging has of its own, shown and on the way there: one that a book adds to an entity needs another name. */
export const stagedNames: ReadonlySet<string> = new Set([
  ...["segment", "source", "delivery_id", "visible_on", "superseded_on"],
  ...["delivered_on", "earlier_no", "ended_visible_on", "event_day", "following", "is_changed", "last_no"],
  ...["nth", "nth_in_version", "own_visible_on", "replaced_on", "seen_from", "version_no"],
]);

/** Everything a book's files can be mapped to, by id (docs/exports.md, "Entities"). */
export const entities: ReadonlyMap<string, Entity> = new Map(all.map((entity) => [entity.id, entity]));

/** The ids of {@link entities}, in the order of the catalogue. */
export const entityIds: readonly [string, ...string[]] = all.map((entity) => entity.id) as [string, ...string[]];

/** The entity of an id that has been validated. */
export function entityOf(id: string): Entity {
  const found = entities.get(id);
  if (found === undefined) throw new Error(`no such entity: ${id}`);
  return found;
}

/** A DuckDB type for each column type. */
export const sqlTypes: Readonly<Record<ColumnType, string>> = {
  text: "varchar",
  integer: "bigint",
  number: "decimal(18,6)",
  money: "bigint",
  rate: "decimal(28,12)",
  boolean: "boolean",
  date: "date",
  time: "timestamp",
};
