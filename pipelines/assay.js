#!/usr/bin/env node
// The bin: registers tsx, so that a fresh clone runs the TypeScript without a build step.
import { register } from "tsx/esm/api";

register();
await import("./cli.ts");
