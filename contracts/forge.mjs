#!/usr/bin/env node
// Runs forge and exits as forge does: the launcher that npm installs ends with status 0 even when tests fail.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

const { resolve } = createRequire(import.meta.url);
const architecture = process.arch === "x64" ? "amd64" : process.arch;
const forge = resolve(`@foundry-rs/forge-${process.platform}-${architecture}/bin/forge`);
process.exit(spawnSync(forge, process.argv.slice(2), { stdio: "inherit" }).status ?? 1);
