import { describe, expect, it } from "vitest";
import { refuseBadCards } from "../../pipelines/commands/card-state.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";

const state = (name: string) => ({
  scorecard: "health",
  version: 2,
  state: name,
  sentence: "At most 53 of 100: close to a coin toss.",
});
const expired = { scorecard: "health", version: 2, valid_until: "2026-01-01" };
/** Exit code and message, or null when nothing is thrown. */
function told(...given: Parameters<typeof refuseBadCards>): [number, string] | null {
  try {
    refuseBadCards(...given);
    return null;
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return [error.exitCode, error.message];
  }
}

describe("a scorecard in force", () => {
  it.each(["works", "no better than the simple one", "cannot tell", "not checked"])("passes that is: %s", (name) => {
    expect(told("b", [state(name)], [])).toBeNull();
  });
  it("ends with exit code 5 when it has no use", () => {
    expect(told("b", [state("works"), state("no use")], [])).toEqual([
      5,
      "b: health v2 is of no use on this history: at most 53 of 100: close to a coin toss.",
    ]);
  });
  it("ends with exit code 5 when its sign-off has expired, whatever its state", () => {
    expect(told("b", [state("works")], [expired])).toEqual([5, "b: the sign-off of health v2 expired on 2026-01-01"]);
  });
});
