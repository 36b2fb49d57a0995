import { defineConfig } from "vitest/config";

// Tests start DuckDB, whole refreshes and a browser on two cores: few workers, generous limits.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    // What a page comes to is waited for, however busy the machine is.
    expect: { poll: { timeout: 60_000 } },
    pool: "forks",
    maxWorkers: 2,
  },
});
