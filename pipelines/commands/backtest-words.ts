/** A scorecard on history as one page of a terminal. Pure. */
import { wholeMoney } from "../config/currency.ts";
import type { Backtest, CapacityRow, TestRow } from "./backtest.ts";
import { formatTable, wrap } from "./table.ts";

type Maybe = number | null | undefined;

const isKnown = (x: Maybe): x is number => x !== null && x !== undefined;
/** A share in hundredths with one decimal; `-` when there is none. */
export const hundredths = (x: Maybe): string => (isKnown(x) ? (100 * x).toFixed(1) : "-");
export const whole = (x: Maybe): string => (isKnown(x) ? String(Math.round(100 * x)) : "-");
const decimals = (x: Maybe, n: number): string => (isKnown(x) ? x.toFixed(n) : "-");
/** What rounds to nothing has no sign. */
export function signed(x: Maybe): string {
  const text = hundredths(x);
  if (!isKnown(x) || text === "0.0" || text === "-0.0") return text.replace("-0.0", "0.0");
  return x > 0 ? `+${text}` : text;
}
export const range = (low: Maybe, high: Maybe, show: (x: Maybe) => string, join = "-"): string =>
  isKnown(low) && isKnown(high) ? ` (${show(low)}${join}${show(high)})` : "";
const grouped = (n: Maybe): string =>
  isKnown(n) ? String(Math.round(n)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ",") : "-";

const named = ({ scorecard, version }: { readonly scorecard: string; readonly version: number }): string =>
  `${scorecard} v${version}`;

/** The page. Every line carries how many accounts it rests on; intervals are named at its foot. */
export function describeBacktest(answer: Backtest): string {
  const { shown, tests } = answer;
  const test = tests.find(({ period }) => period === "out_of_time");
  const head = [
    `${answer.book}: ${named(shown)} on history, churn by ${answer.definition}, data to ${answer.as_of}`,
    `made on ${shown.created_on}; ${
      test?.first_on === null || test === undefined
        ? "no labelled account-month is out of time yet"
        : `out of time from ${test.first_on} to ${test.last_on}: ${grouped(test.n_rows)} account-months, ` +
          `${grouped(test.n_churned)} churned accounts, ${whole(test.coverage)} % scored`
    }`,
    "",
    wrap(`${(test?.state ?? "not checked").toUpperCase()}. ${test?.sentence ?? ""}`, 112, ""),
  ];
  const blocks = [
    head.join("\n"),
    ranking(answer, test),
    capacity(answer),
    bands(answer),
    departures(answer, test),
    periods(answer),
    inSample(answer),
    foot(answer),
  ];
  return blocks.filter((block) => block !== "").join("\n\n");
}

function ranking(answer: Backtest, test: TestRow | undefined): string {
  if (test === undefined || !isKnown(test.auc)) return "";
  const { difference, against, against_test } = answer;
  // Numbers that are not paired stand beside each other only where the rows are the same.
  const isSame = against_test?.first_on === test.first_on && against_test?.n_rows === test.n_rows;
  const other = isSame ? against_test : null;
  const fit = answer.calibration.find(({ period }) => period === "out_of_time");
  const lines = [
    `pairs ranked rightly, of 100: ${hundredths(test.auc)}${range(test.auc_low, test.auc_high, hundredths)}` +
      (against === null
        ? ""
        : difference === null || !isKnown(difference.difference)
          ? `; ${named(against)} cannot be compared on the same rows`
          : `; ${named(against)} ${hundredths(difference.other_auc)}, difference ${signed(difference.difference)}` +
            `${range(difference.difference_low, difference.difference_high, signed, " to ")} on the same rows, ` +
            `${grouped(difference.n_churned)} churned accounts`),
    `average precision: ${hundredths(test.average_precision)} %${range(test.average_precision_low, test.average_precision_high, hundredths)}` +
      `, a coin toss ${hundredths(test.base_rate)} %${isKnown(other?.average_precision) ? `; ${named(other)} ${hundredths(other.average_precision)} %` : ""}`,
    `lift of the riskiest tenth: ${decimals(test.lift_10, 2)}${range(test.lift_10_low, test.lift_10_high, (x) => decimals(x, 2))}` +
      (isKnown(other?.lift_10) ? `; ${named(other)} ${decimals(other.lift_10, 2)}` : ""),
    ...calibration(fit),
    ...tests(answer),
  ];
  return ["RANKING", ...lines.map((line) => `  ${wrap(line, 110, "    ")}`)].join("\n");
}

function calibration(fit: Backtest["calibration"][number] | undefined): readonly string[] {
  if (fit === undefined) return [];
  if (!isKnown(fit.brier)) {
    return [
      "as a probability: not checked, because no period began with 50 churned accounts whose outcome was already known",
    ];
  }
  return [
    `as a probability, fitted on rows known before each period, tested on ${grouped(fit.n_rows)} rows and ${grouped(fit.n_churned)} churned accounts: ` +
      `Brier ${decimals(fit.brier, 4)}${range(fit.brier_low, fit.brier_high, (x) => decimals(x, 4))}, the plain rate ${decimals(fit.base_brier, 4)}; ` +
      `observed over expected ${decimals(fit.ratio, 2)}${range(fit.ratio_low, fit.ratio_high, (x) => decimals(x, 2))}; ` +
      `slope ${decimals(fit.slope, 2)}${range(fit.slope_low, fit.slope_high, (x) => decimals(x, 2))}, 1 is right; ` +
      `calibration error ${hundredths(fit.ece)} points${range(fit.ece_low, fit.ece_high, hundredths)}, a perfect forecast would show ${hundredths(fit.ece_null)}`,
  ];
}

/** The other parts of history: as it was, and without plays. */
function tests(answer: Backtest): readonly string[] {
  const part = (period: string): TestRow | undefined => answer.tests.find((row) => row.period === period);
  const asWas = part("as_was");
  const unplayed = part("without_plays");
  const whole = part("out_of_time");
  const line = (title: string, row: TestRow): string =>
    `${title}: ${hundredths(row.auc)}${range(row.auc_low, row.auc_high, hundredths)}, ${grouped(row.n_churned)} churned accounts`;
  return [
    ...(asWas === undefined || !isKnown(asWas.auc) || asWas.n_rows === whole?.n_rows
      ? []
      : [line("only while it was in force, of 100", asWas)]),
    ...(unplayed === undefined || !isKnown(unplayed.auc)
      ? []
      : [`${line("without account-months in which a play began, of 100", unplayed)} (selected: somebody chose whom)`]),
  ];
}

function capacity(answer: Backtest): string {
  const { shown, against } = answer;
  const own = answer.capacity.filter((row) => row.scorecard === shown.scorecard && row.version === shown.version);
  const [first] = own;
  if (first === undefined) return "";
  const cell = (row: CapacityRow | undefined): string =>
    row === undefined ? "" : `${whole(row.caught_share)} %${range(row.caught_low, row.caught_high, whole)}`;
  const rows = own.map((row) => {
    const other = answer.capacity.find(
      (one) => one.capacity === row.capacity && (one.scorecard !== row.scorecard || one.version !== row.version),
    );
    const difference = answer.capacity_differences.find((one) => one.capacity === row.capacity);
    return {
      "accounts a month": row.capacity,
      "departures on a list": cell(row),
      ...(against === null
        ? {}
        : {
            [named(against)]: cell(other),
            difference:
              difference === undefined
                ? ""
                : `${signed(difference.difference)}${range(difference.difference_low, difference.difference_high, signed, " to ")}`,
          }),
      "by lot": `${whole(row.chance_share)} %`,
      "money a month": wholeMoney(row.money_caught, answer.currency),
    };
  });
  const title = `CAPACITY: ${first.n_lists} lists, one a month from ${first.from_on}, of the lowest scores; ${grouped(first.n_departures)} departures ${answer.gap_days}-${answer.gap_days + answer.horizon_days} days later`;
  return [title, indent(formatTable(rows))].join("\n");
}

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

function bands(answer: Backtest): string {
  const modes = [
    { mode: "as_was", title: "as it was: the version in force, with what people overrode" },
    { mode: "as_if", title: "as if it had always been in force since it was made" },
  ].filter(({ mode }) => answer.bands.some((row) => row.mode === mode));
  const isSame =
    modes.length === 2 &&
    JSON.stringify(answer.bands.filter(({ mode }) => mode === "as_was").map((row) => ({ ...row, mode: "" }))) ===
      JSON.stringify(answer.bands.filter(({ mode }) => mode === "as_if").map((row) => ({ ...row, mode: "" })));
  return (isSame ? modes.slice(1) : modes)
    .map(({ mode, title }) => {
      const rows = answer.bands.filter((row) => row.mode === mode);
      const table = rows
        .filter(({ days }) => days === 90)
        .map((row) => ({
          band: row.band,
          "account-months": row.n_rows,
          accounts: row.n_accounts,
          churned: row.n_churned,
          "left within 90 days": `${hundredths(row.rate)} %${range(row.rate_low, row.rate_high, hundredths)}`,
          lift: `${decimals(row.lift, 2)}${range(row.lift_low, row.lift_high, (x) => decimals(x, 2))}`,
          "share of churn": `${whole(row.share_of_churn)} %`,
          "money a month": wholeMoney(row.money ?? 0, answer.currency),
          "30, 60, 180 days": [30, 60, 180]
            .map((days) => hundredths(rows.find((one) => one.band === row.band && one.days === days)?.rate))
            .join(", "),
        }));
      return [`BANDS, ${title}`, indent(formatTable(table))].join("\n");
    })
    .join("\n\n");
}

function departures(answer: Backtest, test: TestRow | undefined): string {
  const lines: string[] = [];
  if (test !== undefined && isKnown(test.n_departures) && test.n_departures > 0) {
    lines.push(
      `of ${grouped(test.n_departures)} departures, ${whole(test.caught_share)} %${range(test.caught_low, test.caught_high, whole)} were in the worst band ` +
        `${answer.gap_days} days before the decision, ${whole(test.green_share)} %${range(test.green_low, test.green_high, whole)} in the best (green churners)`,
    );
  }
  if (test !== undefined && isKnown(test.n_warned) && test.n_warned > 0) {
    const stayers =
      isKnown(test.n_stayers) && test.n_stayers > 0
        ? `; of ${grouped(test.n_stayers)} like accounts that stayed, at the same days: ${decimals(test.stayer_median_months, 1)} months, ` +
          `${whole(test.stayer_share_1m)} % and ${whole(test.stayer_share_3m)} %`
        : "";
    lines.push(
      `months of warning, ${grouped(test.n_warned)} departures: median ${decimals(test.median_months_of_warning, 1)}, ` +
        `at least one month ${whole(test.share_1m)} %, at least three ${whole(test.share_3m)} %${stayers}`,
    );
  }
  const back = answer.recovery as Readonly<Record<string, number | null>> | null;
  if (back !== null && isKnown(back.n_spells) && back.n_spells > 0) {
    lines.push(
      `reds that came back: ${grouped(back.n_spells)} spells of ${grouped(back.n_accounts)} accounts` +
        (isKnown(back.recovered_share)
          ? `; of ${grouped(back.n_matured)} old enough ${whole(back.recovered_share)} %${range(back.recovered_low, back.recovered_high, whole)} were back within 180 days` +
            `, ${whole(back.left_share)} %${range(back.left_low, back.left_high, whole)} left`
          : "") +
        (isKnown(back.median_days_red)
          ? `; those that came back were red for ${grouped(back.median_days_red)} days (median)`
          : ""),
    );
  }
  for (const row of answer.surprises as readonly Readonly<Record<string, number | string | null>>[]) {
    const of = row.kind === "green_churner" ? "accounts that left" : "accounts that are red now";
    const title =
      row.kind === "green_churner" ? "green churners, as it was" : "chronic reds, 180 days and more without a decision";
    const meetings =
      row.kind === "chronic_red" && isKnown(row.n_meetings as Maybe)
        ? `; ${grouped(row.n_meetings_with_them as number)} of ${grouped(row.n_meetings as number)} meetings of the last 180 days were with them`
        : "";
    const answered =
      (row.n_answered as number) > 0
        ? `; ${row.n_answered} answered, without those that are no fault of the score ${whole(row.counted_share as Maybe)} %${range(row.counted_low as Maybe, row.counted_high as Maybe, whole)}`
        : "";
    lines.push(
      `${title}: ${row.n} of ${grouped(row.n_asked as number)} ${of}, ${whole(row.share as Maybe)} %${range(row.share_low as Maybe, row.share_high as Maybe, whole)}` +
        `, ${wholeMoney(row.money as number, answer.currency)} a month${answered}${meetings}`,
    );
  }
  return lines.length === 0
    ? ""
    : ["DEPARTURES AND REDS", ...lines.map((line) => `  ${wrap(line, 110, "    ")}`)].join("\n");
}

/** Days from the first snapshot of the periods to the last. */
const spanOf = (rows: readonly TestRow[]): number =>
  (Date.parse(rows.at(-1)?.last_on ?? "") - Date.parse(rows[0]?.first_on ?? "")) / 86_400_000;

function periods(answer: Backtest): string {
  const rows = answer.tests.filter(({ period, sample }) => sample === "out_of_time" && period !== "out_of_time");
  if (rows.length === 0) return "";
  const table = rows.map((row) => {
    const fit = answer.calibration.find(({ period }) => period === row.period);
    return {
      period: row.period.replace("/", " to "),
      churned: row.n_churned,
      "pairs of 100": `${hundredths(row.auc)}${range(row.auc_low, row.auc_high, hundredths)}`,
      "to naive_baseline": isKnown(row.difference)
        ? `${signed(row.difference)}${range(row.difference_low, row.difference_high, signed, " to ")}`
        : "",
      "average precision": `${hundredths(row.average_precision)} %${range(row.average_precision_low, row.average_precision_high, hundredths)}`,
      lift: `${decimals(row.lift_10, 2)}${range(row.lift_10_low, row.lift_10_high, (x) => decimals(x, 2))}`,
      Brier: decimals(row.brier, 4),
      "observed/expected": isKnown(fit?.ratio)
        ? `${decimals(fit.ratio, 2)}${range(fit.ratio_low, fit.ratio_high, (x) => decimals(x, 2))}`
        : "-",
    };
  });
  const { decay, drift } = answer as {
    readonly decay: Readonly<Record<string, number | null>> | null;
    readonly drift: Readonly<Record<string, number | string | boolean | null>> | null;
  };
  const notes = [
    // A slope per year of less than a year would be an extrapolation.
    ...(isKnown(decay?.slope_per_year) && spanOf(rows) >= 365
      ? [
          `a year changes the pairs ranked rightly by ${signed(decay.slope_per_year)}${range(decay.slope_low, decay.slope_high, signed, " to ")} of 100, over ${decay.n_periods} periods`,
        ]
      : []),
    ...(drift === null
      ? []
      : [
          `scores of ${drift.snapshot_date} against ${drift.reference_on}: stability index ${decimals(drift.psi as Maybe, 3)}, ` +
            `${decimals(drift.null_psi as Maybe, 3)} without any drift, alarm above ${decimals(Math.max(0.1, (drift.bar as number | null) ?? 0), 3)}: ` +
            `${drift.is_alarm === true ? "they have moved" : "no alarm"} (${grouped(drift.n_reference as number)} and ${grouped(drift.n_accounts as number)} accounts)`,
        ]),
  ];
  return ["BY PERIOD", indent(formatTable(table)), ...notes.map((line) => `  ${wrap(line, 110, "    ")}`)].join("\n");
}

/** What lies before the version was made stands apart, and says so. */
function inSample(answer: Backtest): string {
  const row = answer.tests.find(({ period }) => period === "in_sample");
  if (row === undefined || !isKnown(row.auc)) return "";
  return wrap(
    `In sample, before it was made (${row.first_on} to ${row.last_on}), it ranked ${hundredths(row.auc)} of 100 pairs rightly${range(row.auc_low, row.auc_high, hundredths)}, ` +
      `${grouped(row.n_churned)} churned accounts: it may have been made to fit these, and nothing above counts them.`,
    114,
    "",
  );
}

const foot = (answer: Backtest): string =>
  wrap(
    `Pairs: a leaver and a stayer of the same months, segment and slice of expected churn, ${answer.gap_days}-${answer.gap_days + answer.horizon_days} days ahead; ` +
      "ties count half. Intervals are clustered by account: 90 % for ranks, calibration and slopes, 95 % for shares of accounts, bands and " +
      "capacity. They are associations on this history, not effects.",
    114,
    "",
  );
