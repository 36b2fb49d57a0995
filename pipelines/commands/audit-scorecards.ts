/** The parts of `assay audit` that are about scorecards and the files that people write. */
import { isoDate } from "../lib/clock.ts";
import { disagreements } from "../scores/known-words.ts";
import { expiredSentence, signHint } from "../scores/lint.ts";
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import type { AuditFinding, AuditSection } from "./audit-section.ts";
import { cardStates, noUseSentence } from "./card-state.ts";

export interface SignOff {
  readonly scorecard: string;
  readonly version: number;
  readonly validated_on: string;
  readonly validated_by: string;
  readonly valid_until: string;
  readonly is_expired: boolean;
}

/**
 * The sign-offs of the versions in force. One has expired from `valid_until` on, by the wall clock or by the release's own
 * date, whichever is later: a release that has stood still does not keep a sign-off alive.
 */
export async function signOffs(query: Query, now: Date): Promise<readonly SignOff[]> {
  return query(
    `select m.scorecard, m.version, m.validated_on, m.validated_by, m.valid_until,
       m.valid_until <= greatest(r.as_of, date ${literal(isoDate(now))}) as is_expired
     from marts.scorecard as m cross join meta.release as r
     where m.is_current and m.validated_on is not null order by m.assign_order`,
  );
}

export async function signOffSection(query: Query, now: Date): Promise<AuditSection> {
  const signed = await signOffs(query, now);
  return {
    id: "sign_offs",
    title: "Sign-offs",
    fine: "none to look after",
    findings: signed.map((row): AuditFinding => {
      const name = `${row.scorecard} v${row.version}`;
      return row.is_expired
        ? {
            severity: "failure",
            sentence: expiredSentence(name, row.valid_until),
            hint: signHint({ applied: { file: `v${row.version}.yaml of ${row.scorecard}` } }),
            facts: { ...row },
          }
        : {
            severity: "note",
            sentence: `${name}: signed by ${row.validated_by} on ${row.validated_on}, to be reviewed by ${row.valid_until}`,
            facts: { ...row },
          };
    }),
  };
}

/** What history says of the scorecards in force: one of no use is a failure. */
export async function stateSection(query: Query): Promise<AuditSection> {
  const states = await cardStates(query);
  return {
    id: "history",
    title: "Scorecards on history",
    fine: "no scorecard is assigned",
    findings: states.map((row): AuditFinding => {
      const facts = { ...row };
      if (row.state !== "no use") {
        return { severity: "note", sentence: `${row.scorecard} v${row.version}: ${row.state}. ${row.sentence}`, facts };
      }
      return {
        severity: "failure",
        sentence: noUseSentence(row),
        hint: "'npx assay backtest' has the numbers; 'npx assay suggest BOOK scorecard' makes one of the KPIs that history calls early warnings",
        facts,
      };
    }),
  };
}

const answers = ["missed", "false_alarm", "unforeseeable", "rescued", "expected", "data_error"];

/** What people answered to surprises: how many are open, and answers that say nothing. */
export async function surpriseSection(query: Query): Promise<AuditSection> {
  const title = "Surprises";
  const fine = "no green churner and no chronic red";
  const counts = await query<{ kind: string; n: number; n_answered: number }>(
    "select kind, n, n_answered from validation.surprise_rate where n > 0 order by kind",
  );
  const odd = await query<{ account_id: string; kind: string; disposition: string }>(
    `select account_id, kind, disposition from validation.surprise
     where disposition not in (${answers.map(literal).join(", ")}) order by kind, account_id`,
  );
  return {
    id: "surprises",
    title,
    fine,
    findings: [
      ...counts.map(
        (row): AuditFinding => ({
          severity: "note",
          sentence: `${row.n} of kind ${row.kind}, ${row.n_answered} answered: out/surprises.csv has them`,
          facts: { ...row },
        }),
      ),
      ...odd.map(
        (row): AuditFinding => ({
          severity: "warning",
          sentence: `${row.account_id}, ${row.kind}: found disposition ${row.disposition}, expected one of ${answers.join(", ")}; it counts like no answer`,
          facts: { ...row },
        }),
      ),
    ],
  };
}

/** Findings of the release, except for sign-offs: those are judged by today's date. */
export async function lintSection(query: Query): Promise<AuditSection> {
  const rows = await query<{
    scorecard: string;
    version: number;
    rule: string;
    source: string;
    severity: "warning" | "silenced";
    sentence: string;
    hint: string;
    examples: string | null;
    because: string | null;
  }>("select * exclude (lint_no) from marts.scorecard_lint where severity <> 'failure' order by lint_no");
  return {
    id: "lint",
    title: "Scorecards",
    fine: "nothing to say against any",
    findings: rows.map((row) => ({
      severity: row.severity,
      sentence:
        `${row.sentence}${row.examples === null ? "" : `, such as ${row.examples}`} (${row.rule}, ${row.source})` +
        (row.because === null ? "" : `: ${row.because}`),
      ...(row.severity === "silenced" ? {} : { hint: row.hint }),
      facts: row,
    })),
  };
}

export async function knownSection(query: Query): Promise<AuditSection> {
  const counts = await query<{ scorecard: string; version: number; agree: number; disagree: number; other: number }>(
    `select k.scorecard, k.version, count(*) filter (where k.state = 'agrees') as agree, count(*) filter (where k.state = 'disagrees') as disagree,
       count(*) filter (where k.state in ('no_score', 'not_paying', 'unknown_band')) as other
     from scores.known_account as k
     inner join marts.scorecard as m on m.scorecard = k.scorecard and m.version = k.version
     where m.is_current and k.state <> 'other_scorecard'
     group by k.scorecard, k.version, m.assign_order order by m.assign_order`,
  );
  const wrong = await disagreements(query);
  const odd = await query<{
    account_id: string;
    expected_band: string;
    said_by: string | null;
    snapshot_date: string;
    state: string;
  }>(
    `select account_id, expected_band, said_by, max(snapshot_date) as snapshot_date, min(state) as state
     from scores.known_account as k left join marts.scorecard as m on m.scorecard = k.scorecard and m.version = k.version
     where coalesce(m.is_current, true) and state in ('unknown_account', 'unknown_band', 'not_paying', 'no_score')
     group by account_id, expected_band, said_by, source, line_no order by source, line_no`,
  );
  const why: Readonly<Record<string, (row: (typeof odd)[number]) => string>> = {
    unknown_account: () => "no export knows it",
    unknown_band: (row) => `its scorecard has no band ${row.expected_band}`,
    not_paying: (row) => `it does not pay on ${row.snapshot_date}`,
    no_score: (row) => `it has no score on ${row.snapshot_date}`,
  };
  return {
    id: "known_accounts",
    title: "Known accounts",
    fine: "none: name some in a file of entity known_account, to test scores with",
    findings: [
      ...counts.map(
        ({ scorecard, version, agree, disagree, other }): AuditFinding => ({
          severity: "note",
          sentence: `${scorecard} v${version} agrees with ${agree} of ${agree + disagree}${other > 0 ? `; ${other} cannot be compared` : ""}`,
          facts: { scorecard, version, agree, disagree, other },
        }),
      ),
      ...wrong.map(({ words, ...facts }): AuditFinding => ({ severity: "warning", sentence: words, facts })),
      ...odd.map(
        (row): AuditFinding => ({
          severity: row.state.startsWith("unknown") ? "warning" : "note",
          sentence: `${row.account_id}, ${row.expected_band}${row.said_by === null ? "" : ` as ${row.said_by} said`}: ${why[row.state]?.(row) ?? row.state}`,
          facts: row,
        }),
      ),
    ],
  };
}

export async function overrideSection(query: Query): Promise<AuditSection> {
  const rows = await query<{
    account_id: string;
    band: string;
    from_on: string;
    expires_on: string | null;
    reason: string | null;
    author: string;
    superseded_on: string | null;
    state: string;
  }>(
    `select account_id, band, from_on, expires_on, reason, author, superseded_on, state from scores.override_state
     order by case when state like 'unknown%' then 0 else 1 end, account_id, from_on, visible_on, line_no`,
  );
  const became: Readonly<Record<string, (row: (typeof rows)[number]) => string>> = {
    applies: (row) => (row.expires_on === null ? "holds, without an end" : `holds until ${row.expires_on}`),
    not_yet: (row) => `holds from ${row.from_on} on`,
    expired: (row) => `expired on ${row.expires_on}`,
    withdrawn: (row) => `was changed or taken out on ${row.superseded_on}`,
    replaced: () => "another one holds instead",
    not_scored: () => "the account has no scorecard now",
    unknown_account: () => "no export knows the account",
    unknown_band: (row) => `its scorecard has no band ${row.band}, so nothing is overridden`,
  };
  return {
    id: "overrides",
    title: "Overrides",
    fine: "none",
    findings: rows.map((row) => ({
      severity: row.state.startsWith("unknown") ? "warning" : "note",
      sentence: `${row.account_id} as ${row.band}, by ${row.author}${row.reason === null ? "" : ` (${row.reason})`}: ${became[row.state]?.(row) ?? row.state}`,
      facts: row,
    })),
  };
}
