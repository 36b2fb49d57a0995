import { readRecovery, recoveryInWords } from "../portfolio/recovery.ts";
import { afterCaveat, afterInWords, type PlayAfter, readPlayAfter } from "../portfolio/words.ts";
import type { Query } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { formatTable, wrap } from "./table.ts";

interface DuePlay {
  readonly account_id: string;
  readonly name: string | null;
  readonly play: string;
  readonly label: string;
  readonly owner: string | null;
  readonly band: string;
  readonly archetype: string | null;
  readonly days_in_band: number | null;
  readonly since: string;
  readonly due_on: string;
  readonly started_on: string | null;
  readonly state: "due" | "overdue" | "started";
}

export interface PlaysAnswer {
  readonly as_of: string;
  readonly plays: readonly {
    readonly play: string;
    readonly label: string;
    readonly condition: string;
    readonly steps: string;
    readonly owner: string | null;
    readonly due_days: number;
    readonly recorded_as: string;
  }[];
  /** Open ones first, by the day on which they are due. */
  readonly due: readonly DuePlay[];
  readonly recorded: readonly Readonly<Record<string, unknown>>[];
  readonly after: readonly (PlayAfter & { readonly sentence: string })[];
  readonly caveat: string;
  readonly recovery: readonly { readonly scorecard: string; readonly version: number; readonly sentence: string }[];
}

export async function readPlays(query: Query): Promise<PlaysAnswer> {
  const [facts] = await query<{ as_of: string }>("select as_of from meta.params");
  const after = await readPlayAfter(query);
  const recovery = await readRecovery(query);
  return {
    as_of: facts?.as_of ?? "",
    plays: await query(
      "select play, label, condition, steps, owner, due_days, recorded_as from marts.play order by play_no",
    ),
    due: await query(
      `select d.account_id, d.name, d.play, p.label, d.owner, d.band, d.archetype, d.days_in_band, d.since, d.due_on, d.started_on, d.state
       from marts.play_due as d inner join marts.play as p on p.play = d.play
       order by d.state = 'started', d.due_on, d.mrr_minor desc nulls last, d.account_id, d.play_no`,
    ),
    recorded: await query("select * from marts.play_summary order by n_plays desc, play"),
    after: after.map((row) => ({ ...row, sentence: afterInWords(row) })),
    caveat: afterCaveat,
    recovery: recovery.map((row) => ({ ...row, sentence: recoveryInWords(row) })),
  };
}

/** The plays that are due, and what came after those that were begun. */
export async function plays(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const answer = await readPlays(database.query);
    context.print(options.json ? JSON.stringify(answer, null, 2) : describePlays(answer));
  } finally {
    database.close();
  }
}

/** Answers are read on a terminal of 80 columns. */
const width = 80;
const shownRows = 20;

export function describePlays(answer: PlaysAnswer): string {
  const open = answer.due.filter(({ state }) => state !== "started");
  const overdue = open.filter(({ state }) => state === "overdue").length;
  const say = (text: string): string => `  ${wrap(text, width - 2, "  ")}`;
  const due =
    answer.plays.length === 0
      ? [say("The book has no plays.yaml: docs/managers.md says what one looks like.")]
      : [
          say(
            `${open.length} plays to begin, ${overdue} of them overdue; ${answer.due.length - open.length} begun since their condition holds.`,
          ),
          ...(open.length === 0
            ? []
            : [
                indented(
                  formatTable(
                    open.slice(0, shownRows).map((row) => ({
                      account: row.account_id,
                      name: row.name ?? "",
                      play: row.label,
                      owner: row.owner ?? "no owner",
                      band: row.band,
                      days: row.days_in_band,
                      due: row.due_on,
                      state: row.state,
                    })),
                    undefined,
                    width - 2,
                  ),
                ),
              ]),
          ...(open.length > shownRows ? [say(`and ${open.length - shownRows} more: out/plays.csv has them all.`)] : []),
        ];
  // One sentence a play for the longest span, and one over all for the shorter.
  const told = answer.after.filter(({ band, days, play }) => band === "all" && (days === 90 || play === "all"));
  return [
    `PLAYS, ${answer.as_of}`,
    ...due,
    "",
    "AFTER A PLAY",
    ...(told.length === 0
      ? [say("Not enough plays with like accounts beside them to say what came after.")]
      : [...told.map(({ sentence }) => say(sentence)), say(answer.caveat)]),
    "",
    "RECOVERY OF THE WORST BAND",
    ...(answer.recovery.length === 0
      ? [say("No scorecard is in force.")]
      : answer.recovery.map(({ sentence }) => say(sentence))),
  ].join("\n");
}

const indented = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
