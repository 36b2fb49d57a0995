import { defineConfig } from "vitest/config";

// Tests start DuckDB, whole refreshes and a browser on two cores: few workers, generous limits.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
